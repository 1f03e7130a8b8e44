"""metrics.json: counts and averages as the tables have them."""

import json

from rescore.reporting import metrics


def test_verdicts_are_counted_and_averages_read(tmp_path):
    table = tmp_path / "aqa7_table2.csv"
    table.write_text(
        "row,column,protocol,reported,reproduced,verdict\n"
        "Pose+DCT,Avg. Corr.,,0.5300,,not run\n"
        "Trampoline,View Variation,,small,,reported only\n"
        "C3D-LSTM,Diving,last_iteration,0.6,0.7,differs\n"
        "C3D-LSTM,Avg. Corr.,last_iteration,0.6,0.55,reproduced\n"
        "C3D-LSTM,Avg. Corr.,best_iteration_on_test,0.6,0.65,differs\n"
        "Perfect observer,Avg. Corr.,,,1,not comparable\n"
    )
    metrics.write_metrics([table], tmp_path / "metrics.json")
    assert json.loads((tmp_path / "metrics.json").read_text()) == {
        "aqa7_table2": {
            "verdicts": {"differs": 2, "not comparable": 1, "not run": 1, "reported only": 1, "reproduced": 1},
            "average_correlations": {
                "any": {"Perfect observer": 1.0},
                "best_iteration_on_test": {"C3D-LSTM": 0.65},
                "last_iteration": {"C3D-LSTM": 0.55},
            },
        }
    }
