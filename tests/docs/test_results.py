"""The figures in docs/results.md and the README are those of docs/results/*.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIGURES = {
    figure["name"]: figure
    for path in sorted((ROOT / "docs" / "results").glob("*.json"))
    for figure in json.loads(path.read_text(encoding="utf-8"))["figures"]
}
#: Figure, pages that quote it, and how: value, low and high as {0}, {1}, {2}.
QUOTED = (
    ("ray_clips_exactly_once", ("docs/scale.md",), "{0:.0%} of 1,000"),
    ("ray_overhead_2_workers", ("docs/scale.md",), "{0:.3f} ({1:.3f} to {2:.3f})"),
    ("closeups_found", ("docs/results.md",), "{0:.1%} ({1:.1%} to {2:.1%})"),
    ("upright_24_40px_found", ("docs/results.md",), "{0:.1%} ({1:.1%} to {2:.1%})"),
    ("upright_40px_up_found", ("docs/results.md",), "{0:.1%} ({1:.1%} to {2:.1%})"),
    ("tilted_45_found", ("docs/results.md",), "{0:.1%} ({1:.1%} to {2:.1%})"),
    ("cut_off_30_found", ("docs/results.md",), "{0:.1%} ({1:.1%} to {2:.1%})"),
    ("false_faces_per_10000_frames", ("docs/results.md",), "{0:.1f} ({1:.1f} to {2:.1f})"),
    ("tracker_cost_vs_before", ("docs/results.md",), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("head_pose_pitch_slope_vs_reference", ("docs/results.md",), "| {0:.2f} |"),
    ("annotate_fps_640x360_1face_cpu2", ("README.md", "docs/results.md"), "| {0:.0f}"),
    ("annotate_first_result_s", ("docs/results.md",), "{0:.1f} s ({1:.2f} to {2:.2f})"),
    ("annotate_peak_rss_mb", ("docs/results.md",), "{0:.0f} MB"),
    ("fp16_route_agreement", ("docs/gpu.md",), "{0:.2%} ({1:.2%} to {2:.2%})"),
    ("int8_route_agreement", ("docs/gpu.md",), "{0:.2%} ({1:.2%} to {2:.2%})"),
    ("sigkill_runs_recovered_of_200", ("docs/reliability.md",), "{0} of 200 killed runs"),
    ("sigkill_worst_loss_s", ("docs/reliability.md",), "{0:.2f} s of video"),
    ("mutated_models_handled_of_2000", ("docs/reliability.md",), "{0:,} of 2,000 damaged models"),
    ("long_file_peak_memory_ratio", ("docs/reliability.md",), "{0:.3f} times"),
    ("soak_1h_growth_mb", ("docs/reliability.md",), "grew by {0:.1f} MB"),
    ("live_1h_growth_mb", ("docs/benchmark.md",), "grew by {0:.1f} MB"),
    ("tracker_ratio_mediapipe_package_1face", ("docs/benchmark.md",), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("tracker_ratio_mediapipe_package_4faces", ("docs/benchmark.md",), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("whole_run_cpu_vs_218eb10_720p_1face", ("docs/tuning.md",), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("pipeline_fps_720p_1face_cpu2", ("docs/tuning.md",), "{0:.1f} ({1:.1f} to {2:.1f})"),
    ("pipeline_fps_720p_4faces_cpu2", ("docs/tuning.md",), "{0:.1f} ({1:.1f} to {2:.1f})"),
    ("latency_p95_ms_720p_paced30_1face", ("docs/tuning.md",), "{0:.1f} ms ({1:.1f} to {2:.1f})"),
    ("latency_p95_ms_720p_paced30_4faces", ("docs/tuning.md",), "{0:.1f} ms ({1:.1f} to {2:.1f})"),
    ("runtime_install_mb", ("docs/results.md",), "{0} MB"),
    ("runtime_install_headless_mb", ("docs/results.md",), "{0} MB"),
    ("gui_main_thread_ms_per_frame_720p", ("docs/results.md", "docs/desktop.md"), "{0:.1f}"),
    ("exec_to_painted_window_s", ("docs/results.md", "docs/desktop.md"), "{0:.2f} s"),
    ("review_open_2h_session_s", ("docs/results.md", "docs/desktop.md"), "{0:.2f} s"),
    ("picture_share_1280x800_live", ("docs/results.md", "docs/desktop.md"), "{0:.1%}"),
    ("label_contradictions_wolfganglanger", ("docs/results.md", "docs/desktop.md"), "472 rows {0} have labels without"),
    ("ferplus_majority_accuracy_edge", ("README.md", "docs/results.md"), "{0:.1%} ({1:.1%} to {2:.1%})"),
    ("ferplus_majority_macro_f1_edge", ("docs/results.md",), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("ece_calibrated_edge_votes", ("docs/results.md",), "{0:.3f} ({1:.3f} to {2:.3f})"),
    ("spearman_aleatoric_vote_entropy", ("README.md", "docs/results.md"), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("auroc_epistemic_corruptions_sev5_native", ("README.md", "docs/results.md"), "{0:.2f}"),
    ("auroc_epistemic_corruptions_sev5_imagenetc", ("README.md", "docs/results.md"), "{0:.2f}"),
    ("auroc_epistemic_half_covered_least", ("docs/results.md",), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("accepted_accuracy_imagenetc", ("docs/results.md",), "{0:.1%} ({1:.1%} to {2:.1%})"),
    ("ambiguous_precision_at_recall_75", ("docs/results.md",), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("landmarks_swapped_accuracy_loss", ("docs/results.md",), "{0:.2f} ({1:.2f} to {2:.2f}) points"),
    ("ferplus_majority_accuracy_teacher", ("docs/results.md",), "{0:.1%} ({1:.1%} to {2:.1%})"),
    ("edge_ms_per_face_1core", ("docs/results.md",), "{0:.1f} ms"),
    ("retention_ratio_at_r08", ("docs/results.md",), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("arbex_fused_minus_primary_accuracy", ("docs/results.md", "docs/expression_study.md"), "+{0:.2f} ± 0.33 points"),
    ("fer2013_private_accuracy_single", ("docs/results.md", "docs/expression_study.md"), "{0:.3f} ± 0.003"),
    ("fer2013_private_accuracy_ensemble", ("docs/results.md",), "{0:.3f} ({1:.3f} to {2:.3f})"),
    ("edge_separation_vs_ensemble", ("docs/results.md",), "| {0:.2f} |"),
    ("edge_time_vs_one_member", ("docs/results.md",), "; {0:.2f} |"),
    ("rlps_keep_full_face", ("docs/results.md", "docs/expression_study.md"), "{0:.3f}"),
    ("rlps_keep_half_face", ("docs/results.md", "docs/expression_study.md"), "{0:.3f}"),
    ("rlps_keep_no_face", ("docs/results.md", "docs/expression_study.md"), "{0:.3f}"),
    ("open_au_f1_average_12", ("README.md", "docs/results.md"), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("au_edge_ms_s20_cpu2", ("docs/results.md",), "{0:.1f} ms"),
    ("au12_happiness_auroc_ferplus", ("docs/results.md",), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("au4_anger_auroc_ferplus", ("docs/results.md",), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("au6_happiness_auroc_ferplus", ("docs/results.md",), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("au15_17_sadness_auroc_ferplus", ("docs/results.md",), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("units_trusted_of_18", ("README.md", "docs/results.md"), "{0} of 18"),
    ("au_intensity_spearman_open", ("docs/results.md",), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("au_reference_within_clip_r_mean7", ("docs/results.md",), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("au_baseline_auroc_change_rendered", ("docs/results.md",), "| {0:+.3f} ({1:.3f} to {2:.3f})"),
    ("au_baseline_f1_change_rendered", ("docs/results.md",), "| {0:+.3f} ({1:.3f} to {2:.3f})"),
    ("au_baseline_auroc_change_photographs", ("docs/results.md",), "| {0:.3f} ({1:.3f} to {2:.3f})"),
    ("au_baseline_auroc_change_clips", ("docs/results.md",), "| {0:+.3f} ({1:.3f} to {2:.3f})"),
    ("au_baseline_f1_change_clips", ("docs/results.md",), "| {0:.3f} ({1:.3f} to {2:.3f})"),
    ("au_baseline_rate_error_change_clips", ("docs/results.md",), "| {0:+.3f} ({1:.3f} to {2:.3f})"),
    ("mask_correlation_with_s2000", ("docs/results.md",), "{0:.4f} ({1:.4f} to {2:.4f})"),
    ("epistemic_share_of_edges", ("docs/results.md",), "{0:.0%} ({1:.0%} to {2:.0%})"),
    ("au25_26_surprise_auroc_ferplus", ("docs/results.md",), "{0:.2f} ({1:.2f} to {2:.2f})"),
    ("camera_cycles_recovered_of_100", ("docs/reliability.md",), "{0} of 100"),
    ("mutated_videos_handled_of_10000", ("docs/reliability.md",), "{0:,} of 10,000 damaged videos"),
    ("sigterm_exit_s", ("docs/reliability.md",), "{0:.1f} s"),
    ("websocket_latency_p95_ms", ("docs/live-outputs.md",), "{0:.1f} ms ({1:.1f} to {2:.1f})"),
    ("mqtt_latency_p95_ms", ("docs/live-outputs.md",), "{0:.1f} ms ({1:.1f} to {2:.1f})"),
    ("lsl_latency_p95_ms", ("docs/live-outputs.md",), "{0:.1f} ms ({1:.1f} to {2:.1f})"),
)
#: Quoted as two accuracies, whose difference it is.
DERIVED = {"epistemic_decile_accuracy_gap"}


@pytest.mark.parametrize(("name", "pages", "form"), QUOTED, ids=[name for name, _, _ in QUOTED])
def test_pages_quote_the_figure(name: str, pages: tuple[str, ...], form: str) -> None:
    figure = FIGURES[name]
    text = form.format(figure["value"], figure.get("low"), figure.get("high"))
    # Percentages are written "84.4 % (83.1 to 85.7)".
    head, *interval = text.split(" (")
    text = " (".join([head.replace("%", " %"), *(part.replace("%", "") for part in interval)])
    for page in pages:
        assert text in (ROOT / page).read_text(encoding="utf-8"), f"{page} does not say {text}"


def test_every_figure_is_quoted() -> None:
    assert set(FIGURES) == {name for name, _, _ in QUOTED} | DERIVED
