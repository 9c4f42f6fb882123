"""Another System One service, as one that is asked where no local answer is sure enough."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import httpx
from pydantic import ValidationError

from superneurons.errors import DataError, ServiceError
from superneurons.serve.jobs import Answer, Fitted, Job
from superneurons.serve.schemas import ChoiceAnswer

__all__ = ["RemoteClient"]

_LONGEST = 1_000_000  # bytes of an answer


class RemoteClient:
    """Asks ``POST /v1/systemone`` of another service; every job as one choice.

    The pictures leave this machine, so it is never made unless an address was given for it.

    Parameters
    ----------
    url
        The other service's, with or without the path.
    model
        What it is told as model.
    token
        Its bearer token.
    seconds
        In which it has to answer, or less where the job has less left.
    classifiers
        Questions and labels of those whose jobs come without.

    Raises
    ------
    DataError
        When the address is no http or https one.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        token: str | None = None,
        seconds: float = 10.0,
        classifiers: Mapping[str, Fitted] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if not url.startswith(("https://", "http://")):
            raise DataError(
                f"{url!r} is no address of a service.", where="--remote", mend="Give https://…"
            )
        whole = url.rstrip("/")
        self._url = whole if whole.endswith("/v1/systemone") else f"{whole}/v1/systemone"
        self._model, self._seconds = model, seconds
        self.classifiers = dict(classifiers or {})
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(headers=headers, transport=transport, trust_env=False)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def __call__(self, job: Job) -> Answer:
        """Ask the other service.

        Raises
        ------
        ServiceError
            When it can't be reached, refuses, or answers something else than was asked.
        """
        question, options = self._asked(job)
        names = [f"<picture-{number}>" for number in range(1, len(job.pictures) + 1)]
        body = {
            "model": self._model,
            "state": " ".join(names),
            "questions": {
                "question": {
                    "type": "choice",
                    "instructions": question,
                    "criteria": dict.fromkeys(options),
                }
            },
            "assets": {
                name: {"data_base64": _png(picture)}
                for name, picture in zip(names, job.pictures, strict=True)
            },
        }
        left = min(self._seconds, job.deadline - time.monotonic())
        if left <= 0:
            raise ServiceError("There is no time left for the remote service.")
        try:
            return _answer(self._post(body, left), options)
        except (httpx.HTTPError, ValueError, ValidationError, KeyError, TypeError) as error:
            raise ServiceError(
                f"The remote service gave no answer: {error or type(error).__name__}",
                where=self._url,
                mend="Look whether it runs, or start without --remote.",
            ) from error

    def _asked(self, job: Job) -> tuple[str | None, tuple[str, ...]]:
        fitted = None if job.classifier is None else self.classifiers.get(job.classifier)
        question = job.question or (fitted.question if fitted else None)
        options = job.options or (fitted.labels if fitted else ())
        if len(options) < 2:
            raise ServiceError("There is nothing to choose from.", where=str(job.classifier))
        return question, options

    def _post(self, body: Any, seconds: float) -> Any:
        end, said = time.monotonic() + seconds, bytearray()
        with self._client.stream("POST", self._url, json=body, timeout=seconds) as answer:
            answer.raise_for_status()
            for part in answer.iter_bytes():
                said += part
                if len(said) > _LONGEST:
                    raise ValueError("its answer is too long")
                # The time limit of a single read is never reached by who sends a byte now and then.
                if time.monotonic() > end:
                    raise ValueError(f"its answer did not end within {seconds:.3g} s")
        return json.loads(said)


def _png(picture: Any) -> str:
    file = BytesIO()
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _answer(said: Any, options: tuple[str, ...]) -> Answer:
    found = ChoiceAnswer.model_validate(said["answers"]["question"])
    if set(found.probabilities) != set(options) or found.choice not in options:
        raise ValueError("it chose from other options")
    shares = {option: found.probabilities[option] for option in options}
    tokens = said.get("usage", {}).get("input_tokens", 0)
    return Answer(
        found.choice,
        shares,
        shares[found.choice],
        depth="remote",
        layers=0,
        input_tokens=tokens if isinstance(tokens, int) else 0,
    )
