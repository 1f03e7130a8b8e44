"""What `rescore verify` gives as the reason is the reason, on whichever stream the engine or DVC says it."""

import pytest

from rescore.engine import verify

PARAMETERS = """Using workflow specific profile profiles/default for setting default command line arguments.
Config file params.yaml is extended by additional config specified via the command line.
WorkflowError in file "/somewhere/workflow/rules/common.smk", line 65:
params.yaml: wrong parameters (2):
  - defaults.lstm: unknown key 'iteratons', did you mean 'iterations'?
  - defaults.lstm: 'iterations' is a required property
  File "/somewhere/workflow/rules/common.smk", line 65, in <module>
"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            PARAMETERS,
            'WorkflowError in file "/somewhere/workflow/rules/common.smk", line 65: params.yaml: wrong parameters (2): '
            "- defaults.lstm: unknown key 'iteratons', did you mean 'iterations'? "
            "- defaults.lstm: 'iterations' is a required property",
        ),
        (
            "Using x\nTokenError in file \"Snakefile\", line 23:\n('EOF', (82, 0))\n  File x\n",
            "TokenError in file \"Snakefile\", line 23: ('EOF', (82, 0))",
        ),
        ("ERROR: failed to read the lock\n\nhint: look\n", "ERROR: failed to read the lock hint: look"),
        ("Building DAG of jobs...\nno such option\n", "no such option"),
        ("Using workflow specific profile x\n", "no output"),
        ("", "no output"),
    ],
)
def test_the_reason_of_a_failure(text, reason):
    assert verify.reason_of(text) == reason


def test_a_library_of_another_version_stands_below_the_verdict(monkeypatch):
    monkeypatch.setattr(verify.libraries, "warning", lambda: "warning: numpy is 1.0")
    assert verify.describe(["x"]).splitlines()[-1] == "warning: numpy is 1.0"


def test_the_reason_of_a_run_that_cannot_be_planned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").write_text('raise ValueError("what is really wrong")\n')
    (fault,) = verify.workflow_faults(["smoke"])
    assert fault.startswith("snakemake -n --config scale=smoke: ")
    assert "what is really wrong" in fault
