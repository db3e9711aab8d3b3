"""What ``make check`` leaves to ``make test``: tests that start processes, wait for clocks, or say a thing a second way."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from postgres_server import _kept, database, postgres, store_database  # noqa: F401 - fixtures for every folder

pytest_plugins = ["left_open"]

ROOT = Path(__file__).parent
SLOW = (
    "adapters/attacks/",  # whole agents, bare and guarded
    "adapters/contract/test_elsewhere.py",  # another process
    "adapters/langchain/test_checkpointers.py",  # databases, and every way to wait in them
    "adapters/langchain/test_failed_siblings.py",  # calls that wait, in graphs of every build
    "adapters/langchain/test_graphs.py",  # graphs of every build
    "adapters/langchain/test_mcp.py",  # a server as a process
    "adapters/langchain/test_middlewares.py",  # whole agents beside every middleware
    "adapters/langchain/test_models.py",  # every way into a model
    "adapters/langchain/test_older_loops.py",  # whole agents
    "adapters/langchain/test_standard_tests.py",  # the framework's own tests, for every kind of tool
    "adapters/langchain/test_streaming.py",  # every kind of stream
    "adapters/langchain/test_tool_kinds.py",  # every kind of tool by every way in
    "adapters/langchain/test_waiting.py",  # calls that wait, in two stores and every mode
    "adapters/openai/test_answers.py",  # answers of every shape, by every way
    "adapters/openai/test_approvals.py",  # processes, and every way to wait
    "adapters/openai/test_azure.py",  # clients of another kind
    "adapters/openai/test_clients.py",  # every way of the client to send
    "adapters/openai/test_endpoints.py",  # every endpoint of the client
    "adapters/openai/test_native.py",  # every kind of action, by every way
    "adapters/openai/test_runner.py",  # loads the SDK's own loop
    "adapters/openai/test_runs.py",  # whole runs, by every way
    "adapters/openai/test_surface.py",  # every method of the SDK
    "adapters/presidio/",  # loads Presidio
    "analysis/test_adversarial.py",  # hundreds of hostile texts
    "attacks/test_adapters_langchain.py",  # whole graphs and agents
    "attacks/test_adapters_notebook.py",  # a service that is an impostor
    "attacks/test_adapters_openai.py",  # a server per attack
    "attacks/test_arguments.py",  # megabytes of hostile input
    "attacks/test_audit_",  # a store or a pack per attack
    "attacks/test_comments.py",  # an app for every test
    "attacks/test_database.py",  # a database per edit
    "attacks/test_faults.py",  # a fault at every step in turn
    "attacks/test_gates_glass.py",  # every gate of broken glass
    "attacks/test_gates_proposals.py",  # a register of thousands
    "attacks/test_gates_rest.py",  # every route in every wrong way
    "attacks/test_gates_service.py",  # services that answer wrongly
    "attacks/test_gates_standing.py",  # every gate of a standing yes
    "attacks/test_policy_",  # hundreds of attempts, each on a guard of its own
    "attacks/test_remote_guard.py",  # a service that answers wrongly in every way
    "audit_keep/test_prun",  # a store and a folder of segments per test
    "authority/test_acts.py",  # thousands of clicks
    "benchmarks/",  # the arithmetic of the benchmarks
    "browser/",  # a real browser
    "channels/",  # clients of Slack, Teams and webhooks over sockets
    "cli/test_doctor.py",  # an installation for every fault
    "cli/test_doctor_tls.py",  # an installation, and a handshake, for every fault
    "cli/test_first_hour.py",  # the service as a process
    "cli/test_manual.py",  # the command, for every page and error
    "cli/test_shells.py",  # shells in terminals
    "cli/test_waiting.py",  # the service as a process
    "credentials/test_attacks.py",  # clients that fail over sockets
    "credentials/test_postgres.py",  # a database user a call
    "dataset/test_files.py",  # processes that share a file
    "dataset/test_find.py",  # processes that share a file
    "dataset/test_parquet.py",  # processes that share a file
    "dataset/test_resume.py",  # processes that are killed
    "detection/test_lists.py",  # the packed lists anew
    "detection/test_time.py",  # texts of a megabyte
    "detection_tagger/test_training.py",  # trains
    "directory/test_rotas.py",  # thousands of persons
    "display/",  # the detector, and every view with hostile text
    "docs/",  # starts the command for every line of the documents
    "evidence/",  # a hospital's month, and packs of it
    "guard/test_processes.py",  # processes that are killed
    "history/test_budgets.py",  # threads and processes that race
    "journal/test_hard_times.py",  # processes that are killed
    "journal/test_postgres.py",  # a database
    "journal/test_proof_command.py",  # the command, many times
    "masking/test_identity.py",  # thousands of made-up texts
    "masking/test_stream.py",  # every way to cut a text
    "notebooks/test_in_jupyterlab.py",  # a real JupyterLab in a real browser
    "notebooks/test_notebooks.py",  # kernels and services as processes
    "notebooks/test_widget.py",  # the service as a process
    "packs/",  # every case of every pack, and what can be made of it
    "policy/test_hostile_files.py",  # megabytes of hostile input
    "policy/test_properties.py",  # thousands of made-up policies
    "policy/test_reload.py",  # files that change while guards run
    "policytools/",  # policies tried by the hundred
    "postgres/",  # every statement as every role
    "provenance/test_properties.py",  # thousands of made-up conversations
    "race/test_faults.py",  # processes that are killed, disks that are full
    "race/test_race.py",  # processes that race
    "references/test_binding.py",  # large and slow contents
    "references/test_shown.py",  # an app for every test
    "remote/",  # a service and guards over a wire, and as processes
    "report/test_pages.py",  # a hospital's month
    "server/test_act_commands.py",  # the service as a process
    "server/test_acts.py",  # an app for every test
    "server/test_checkpoints.py",  # the service as a process
    "server/test_comments.py",  # an app for every test, and waits for changes
    "server/test_confirming.py",  # the service as a process
    "server/test_inbox",  # an app for every test
    "server/test_limits.py",  # an app for every test
    "server/test_oidc.py",  # an app for every test
    "server/test_oidc_provider.py",  # a provider of its own
    "server/test_process.py",  # the service as a process
    "server/test_proxies.py",  # the service as a process
    "server/test_redact_commands.py",  # the service as a process
    "server/test_remote.py",  # an app for every test
    "server/test_replicas.py",  # two services and a database
    "server/test_rest.py",  # an app for every test
    "server/test_schema.py",  # a thousand requests
    "server/test_stopping.py",  # the service as a process
    "server/test_stream.py",  # waits for changes
    "shape/",  # imports in fresh interpreters
    "stores/test_migrations.py",  # processes that start at once
    "stores/test_postgres_faults.py",  # databases that are killed
    "stores/test_sqlite_processes.py",  # processes that are killed
    "telemetry/test_attributes.py",  # every kind of record
    "telemetry/test_delivery.py",  # receivers that are slow or down
    "telemetry/test_killed.py",  # processes that are killed
    "telemetry/test_one_trace.py",  # processes that go on where others stopped
    "telemetry/test_otlp.py",  # receivers that are slow or down
    "telemetry/test_reconcile.py",  # thousands of spans
    "telemetry/test_scrub.py",  # processes, and libraries of others
    "telemetry/test_service.py",  # the service as a process
    "toollist/test_reading.py",  # servers as processes
)


# Properties are tried with the same examples every time, and however long one takes: a busy machine fails no test, and
# what fails once fails again. "seek" looks for new ones: make test TEST_ARGS="--hypothesis-profile=seek".
settings.register_profile("seek", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("steady", settings.get_profile("seek"), derandomize=True, database=None)
settings.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        place = item.path.relative_to(ROOT).as_posix()
        # the OpenAI suite runs every test through both APIs; the second is the same gate behind other shapes
        second = place.startswith("adapters/openai/") and "responses" in item.name
        if second or place.startswith(SLOW) or item.nodeid.partition("::")[2].startswith("TestPostgres"):
            item.add_marker(pytest.mark.slow)
