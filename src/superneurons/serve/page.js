"use strict";
const at = (id) => document.getElementById(id);
const made = (tag, text, kind) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
};
const FIRST_VOTES = 20;
const OWN_PLACES = new Set(["questions.q", "assets.<picture>"]);
const DEPTHS = {
  exit: "It stopped at the classifier's exit",
  deeper: "It was unsure, and went on to a deeper exit",
  base: "The whole model answered, by its own logits",
  remote: "It was unsure, and another service answered",
};
let token = sessionStorage.getItem("token") || "";
let served = [];
let picture = null;
let busy = false;

const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});

async function fetched(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...options.headers, ...headers() } });
  } catch {
    throw new Error("The service cannot be reached. Is it still running?");
  }
  if (response.ok) return response.json();
  const error = new Error(await refusal(response));
  error.status = response.status;
  throw error;
}

async function refusal(response) {
  let told;
  try {
    told = (await response.json()).error;
  } catch {
    return `The service answered ${response.status}, and did not say why.`;
  }
  const problems = (told.problems || []).slice(0, 5).map(({ where, what }) =>
    OWN_PLACES.has(where) ? what : `${where}: ${what}`); // there is one question and one picture
  const wait = response.headers.get("Retry-After");
  const again = wait ? `Try again in ${wait} s.` : told.mend;
  return [told.message, ...problems, again].filter(Boolean).join("\n");
}

async function open() {
  at("door-wrong").textContent = "";
  try {
    served = (await fetched("v1/models")).data;
  } catch (error) {
    closed(error);
    return;
  }
  at("wrong").textContent = "";
  at("door").hidden = true;
  at("columns").hidden = false;
  at("programs").hidden = Boolean(token); // a link brings no token along
  const fitted = served.filter((one) => one.superneurons);
  const base = served.find((one) => !one.superneurons);
  const about = fitted.map((one) => one.superneurons.about.base_model).find(Boolean);
  at("model").textContent = [
    base ? base.id : about,
    `${fitted.length} fitted question${fitted.length === 1 ? "" : "s"}`,
  ].filter(Boolean).join(" · ");
  at("which").replaceChildren(...served.map((one, index) => {
    const choice = made("option", one.superneurons ? one.id : `${one.id} (the base model)`);
    choice.value = index;
    return choice;
  }));
  chosen();
}

function closed(error) {
  const asks = error.status === 401;
  at("door").hidden = !asks;
  at("columns").hidden = asks;
  at("programs").hidden = asks;
  if (asks) {
    at("door-wrong").textContent = token ? "That is not the token." : "";
    at("token").focus();
  } else {
    at("wrong").textContent = error.message;
  }
}

const which = () => served[Number(at("which").value)];

function chosen() {
  const told = which() && which().superneurons;
  at("own").textContent = (told && told.question) || "";
  at("asked").hidden = Boolean(told && told.question);
  at("choices").hidden = Boolean(told && told.labels.length);
  at("yesno").hidden = Boolean(told);
}

function take(file) {
  at("wrong").textContent = "";
  if (!file) return;
  if (picture) URL.revokeObjectURL(at("shown").src);
  picture = file;
  at("shown").src = URL.createObjectURL(file);
  at("shown").hidden = false;
}

const encoded = (file) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
  reader.onerror = () => reject(new Error("The file cannot be read. Choose it again."));
  reader.readAsDataURL(file);
});

function question() {
  const told = which().superneurons;
  const own = Boolean(told && told.question);
  const text = at("text").value.trim();
  if (!own && !text) throw new Error("There is no question: write one.");
  let names = told ? told.labels : [];
  if (!names.length) {
    names = at("options").value.split("\n").map((line) => line.trim()).filter(Boolean);
  }
  const asked = own ? {} : { instructions: text };
  if (!names.length && !told) return { type: "noul", ...asked };
  if (new Set(names).size < 2) throw new Error("Write two answers or more, each on its own line.");
  return { type: "choice", criteria: Object.fromEntries(names.map((n) => [n, null])), ...asked };
}

async function ask() {
  if (busy) return;
  at("wrong").textContent = "";
  try {
    if (!served.length) await open();
    if (!served.length) return;
    if (!picture) throw new Error("There is no picture: choose, drop or paste one.");
    const asked = question();
    waiting(true);
    const body = JSON.stringify({
      model: which().id, state: "<picture>", questions: { q: asked },
      assets: { "<picture>": { data_base64: await encoded(picture) } },
    });
    const began = performance.now();
    const found = await fetched("v1/systemone?explain=true", {
      method: "POST", body, headers: { "Content-Type": "application/json" },
    });
    show(found, performance.now() - began);
  } catch (error) {
    at("answer").replaceChildren(made("p", "None yet.", "quiet"));
    at("detail").hidden = true;
    if (error.status === 401) closed(error);
    else at("wrong").textContent = error.message;
  } finally {
    waiting(false);
  }
}

function waiting(is) {
  busy = is;
  at("go").setAttribute("aria-busy", String(is));
  at("go").textContent = is ? "Asking …" : "Ask";
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const plain = (label) => ({ true: "yes", false: "no" })[label] || label;

function show(found, milliseconds) {
  const answer = found.answers.q;
  const told = found.superneurons.q;
  const isYesNo = answer.type === "noul";
  const said = isYesNo ? plain(told.label) : told.label;
  const shares = isYesNo ? { yes: answer.noul, no: 1 - answer.noul } : answer.probabilities;
  at("answer").replaceChildren(
    made("p", said, "said"), made("p", `Confidence ${percent(told.probability)}`),
  );
  const sorted = Object.entries(shares).sort((a, b) => b[1] - a[1]);
  at("bars").replaceChildren(...sorted.map(([name, share]) => bar(name, share, name === said)));
  depth(told);
  at("took").textContent = `${told.ran_ms.toFixed(1)} ms in the model's batch, `
    + `${told.waited_ms.toFixed(1)} ms waiting for it, ${milliseconds.toFixed(0)} ms in all.`;
  votes(told.votes || []);
  at("detail").hidden = false;
}

function bar(name, share, best) {
  const line = made("li", undefined, best ? "best" : "");
  const named = made("div", undefined, "name");
  named.append(made("span", name), made("span", percent(share), "number"));
  const track = made("div", undefined, "track");
  const filled = made("i");
  filled.style.width = `${100 * share}%`;
  track.append(filled);
  line.append(named, track);
  return line;
}

function depth(told) {
  const all = told.n_layers || (told.depth === "base" ? told.layers : 0);
  at("depth").replaceChildren(...Array.from({ length: all }, (_, index) =>
    made("i", undefined, index < told.layers ? "ran" : "")));
  const of = all ? `layer ${told.layers} of ${all}` : `layer ${told.layers}`;
  at("went").textContent = told.depth === "remote" ? `${DEPTHS.remote}.`
    : `${DEPTHS[told.depth]}: ${of}.`;
}

function votes(all) {
  at("voted").hidden = !all.length;
  const counts = {};
  for (const one of all) counts[one.label] = (counts[one.label] || 0) + 1;
  at("tally").textContent = Object.entries(counts).sort((a, b) => b[1] - a[1])
    .map(([label, n]) => `${n} of ${all.length} neurons for ${label}`).join(", ");
  const row = (one) => {
    const line = made("tr");
    for (const text of [one.layer, one.index, one.activation.toPrecision(3), one.label]) {
      line.append(made("td", text));
    }
    line.lastChild.title = one.label;
    return line;
  };
  const fill = (some) => at("votes").replaceChildren(...some.map(row));
  fill(all.slice(0, FIRST_VOTES));
  at("more").hidden = all.length <= FIRST_VOTES;
  at("more").textContent = `Show all ${all.length}`;
  at("more").onclick = () => {
    fill(all);
    at("more").hidden = true;
    document.querySelector(".wide").focus();
  };
}

at("door").addEventListener("submit", (event) => {
  event.preventDefault();
  token = at("token").value.trim();
  sessionStorage.setItem("token", token);
  at("token").value = "";
  open();
});
at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
at("which").addEventListener("change", chosen);
at("file").addEventListener("change", () => take(at("file").files[0]));
at("shown").addEventListener("error", () => {
  at("shown").hidden = true;
  at("wrong").textContent = "This browser cannot show that file; the service may still read it.";
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files[0]);
  });
}
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
  if (file) {
    event.preventDefault();
    take(file);
  }
});
open();
