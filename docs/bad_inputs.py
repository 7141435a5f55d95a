"""Make ``docs/bad_inputs.md``: which bad inputs the tests try, and what becomes of each.

python docs/bad_inputs.py           write the table
python docs/bad_inputs.py --check   exit code 1 if the table is not what the tests give

The cases are those that pytest collects, so nothing in the table is typed by hand but the outcome of each test. A test of one of the
files below that is named neither under ``OUTCOMES`` nor under ``OTHERS`` stops the script.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "bad_inputs.md"

REFUSED = "exit code 2, one sentence, no image, nothing in the folder touched"
NOT_READ = "refused in one sentence (exit code 2)"
NOT_BUILT = "refused in one sentence (exit code 2), nothing that it names is imported or run"
OR_RIGHT = "refused in one sentence, or read with exactly the right pixels"
FUZZED = "refused in one sentence, or read as a photograph of 8 bits within the limits"
WARNED = "read rightly, with a warning in the audit"
KEPT = "exit code 2, what is there stays as it is"

OUTCOMES: dict[str, dict[str, str]] = {
    "tests/integration/test_anonymize_photograph.py": {
        "test_bad_input_gets_one_clear_error_and_no_image": "exit code 2, one sentence, no image",
        "test_an_upside_down_photograph_is_refused_with_how_to_turn_it": "exit code 2, says how to turn it",
    },
    "tests/unit/faces/test_image_file.py": {
        "test_a_file_cut_short_is_refused": NOT_READ,
        "test_a_file_without_its_last_bytes_is_refused_or_right": OR_RIGHT,
        "test_what_follows_an_image_changes_nothing": "what follows the image is never read",
        "test_a_changed_byte_in_a_png_is_refused_or_right": OR_RIGHT,
        "test_hostile_bytes_are_one_sentence": NOT_READ,
        "test_damaged_metadata_are_a_warning_of_ours_and_none_of_pillows": WARNED,
        "test_damaged_exif_does_not_hide_the_colour_profile": "the profile is used all the same",
        "test_too_many_pixels_are_refused_by_the_header": "refused by its header, before anything is decoded",
        "test_masks_have_the_same_limit_formats_and_depth": "masks are refused as photographs are",
        "test_of_several_images_the_first_is_taken_with_a_warning": WARNED,
        "test_directories_in_a_circle_are_one_image": "the first image is read",
        "test_what_is_no_regular_file_is_refused_unread": "refused unread",
        "test_a_huge_file_is_refused_unread": "refused by its size, without being read",
    },
    "tests/unit/faces/test_image_fuzz.py": {
        "test_changed_bytes": FUZZED,
        "test_cut_and_joined_bytes": FUZZED,
        "test_any_bytes_behind_a_mark": FUZZED,
        "test_any_exif_directory": FUZZED,
        "test_exif_tags_that_are_used": FUZZED,
        "test_any_tiff_directory": FUZZED,
        "test_any_png_chunk": FUZZED,
        "test_any_png_header": FUZZED,
        "test_any_colour_profile": FUZZED,
    },
    "tests/unit/faces/test_formats.py": {
        "test_a_known_format_that_is_not_read_is_named": "refused, the format is named",
        "test_a_format_whose_library_is_missing_says_which_extra_brings_it": "refused, the extra is named",
        "test_a_beginning_of_such_a_format_is_refused": NOT_READ,
        "test_no_decoder_outside_the_list_runs": "refused, no decoder runs",
        "test_variants_that_no_decoder_reads_rightly_are_refused": "refused, the variant is named",
    },
    "tests/unit/faces/test_heif.py": {
        "test_a_file_cut_short_is_refused": NOT_READ,
        "test_ten_bits_of_avif_are_refused": NOT_READ,
        "test_too_many_pixels_are_refused_by_the_header": "refused by its header, before anything is decoded",
        "test_what_is_not_decoded_rightly_is_refused": "refused, or the main image is read with a warning",
    },
    "tests/unit/faces/test_camera_raw.py": {
        "test_a_file_cut_short_is_refused": NOT_READ,
        "test_a_file_whose_picture_was_taken_out_is_refused": NOT_READ,
        "test_a_developer_that_reads_over_the_end_is_noticed": NOT_READ,
        "test_too_many_pixels_are_refused_before_anything_is_developed": "refused by its header, before anything is decoded",
    },
    "tests/unit/faces/test_deep.py": {
        "test_a_file_cut_short_is_refused": NOT_READ,
        "test_two_decoders_that_differ_are_an_error": NOT_READ,
    },
    "tests/unit/faces/test_dicom.py": {
        "test_what_is_no_photograph_is_refused_by_its_name": "refused, its class or encoding is named",
        "test_what_would_be_read_wrongly_is_refused": NOT_READ,
        "test_too_many_pixels_are_refused_by_the_header": "refused by its header, before anything is decoded",
        "test_settings_for_display_and_overlays_are_a_warning": WARNED,
    },
    "tests/unit/faces/test_colour_space.py": {
        "test_what_cannot_be_converted_is_refused": "refused, the colour space is named",
        "test_uncalibrated_colours_are_kept_with_a_warning": WARNED,
    },
    "tests/unit/faces/test_regions.py": {
        "test_what_cannot_be_read_is_told": NOT_READ,
        "test_shapes_outside_the_photograph_are_refused": NOT_READ,
        "test_a_closed_mouth_has_no_teeth_and_whole_lips": "teeth are refused in one sentence, lips are whole",
        "test_a_shape_belongs_to_one_photograph": "refused with several photographs",
    },
    "tests/unit/faces/test_content_credentials.py": {
        "test_what_cannot_sign_is_one_sentence_that_says_nothing_of_the_key": "exit code 2, one sentence, before any work",
        "test_both_files_or_none_and_only_with_the_mark": "exit code 2, one sentence, before any work",
        "test_without_the_extra_it_is_named": "exit code 2, names the extra",
    },
    "tests/unit/cli/test_landmarks.py": {
        "test_a_face_that_cannot_be_there_is_refused": "exit code 2, one sentence, no image",
        "test_others_are_refused_unless_they_may_stay": "exit code 2, unless --leave-others says that they stay",
        "test_what_contradicts_a_given_face_is_refused": "exit code 2, one sentence, no image",
        "test_it_belongs_to_one_photograph": "exit code 2, one sentence, no image",
    },
    "tests/unit/cli/test_hostile.py": {
        "test_a_table_that_cannot_be_used": REFUSED,
        "test_a_table_of_many_rows_is_checked_as_a_whole_before_any_work": REFUSED,
        "test_a_table_that_is_no_table_is_not_read": NOT_READ,
        "test_an_unusual_name_is_written_on_one_line": "anonymized; the name is shown on one line, its signs written as %0A and the like",
        "test_a_name_that_gets_too_long_is_found_before_any_work": REFUSED,
        "test_a_person_who_cannot_be_shown": REFUSED,
        "test_many_who_fail_make_a_short_report": "the others are written; the report names the first few",
        "test_damaged_audits_and_tables_are_one_sentence": "one sentence, or read as it is (each case is a hundred random damages)",
    },
    "tests/unit/cli/test_hostile_folder.py": {
        "test_what_no_audit_records_is_never_replaced": REFUSED,
        "test_an_audit_that_vera_did_not_write_is_neither_replaced_nor_followed": REFUSED,
        "test_an_audit_that_is_no_file": REFUSED,
        "test_another_users_audit_is_not_believed": REFUSED,
        "test_an_output_that_was_changed_is_kept": KEPT,
        "test_an_output_that_is_changed_during_the_call_is_kept": KEPT,
        "test_a_file_that_comes_during_the_call_is_kept": KEPT,
        "test_nothing_that_is_read_is_written": REFUSED,
        "test_an_identity_is_no_output": REFUSED,
        "test_only_an_identity_is_replaced_by_an_identity": REFUSED,
        "test_a_place_that_takes_no_folder": REFUSED,
        "test_a_place_that_has_no_name": REFUSED,
        "test_a_place_with_signs_that_cannot_be_shown": REFUSED,
        "test_a_closed_folder": REFUSED,
        "test_what_looks_like_a_leftover_but_is_none_stays": "stays as it is, the call succeeds",
    },
    "tests/unit/test_untrusted.py": {
        "test_what_is_no_record_is_told": NOT_READ,
        "test_any_bytes_are_a_plain_value_or_one_sentence": "a plain value, or one sentence",
        "test_size_is_looked_at_before_content": "refused by its size, without being read",
        "test_what_is_no_file_is_not_waited_for": "refused at once",
        "test_what_json_has_no_word_for_is_not_plain": NOT_READ,
        "test_fields_have_their_types": NOT_READ,
        "test_numbers_in_texts_have_their_ranges": NOT_READ,
        "test_one_number_that_is_not_finite_is_found": NOT_READ,
        "test_types_that_are_not_written_are_not_read": NOT_READ,
        "test_tensors_are_those_that_are_expected": NOT_READ,
        "test_a_foreign_text_is_shown_on_one_short_line": "shown shortened, on one line",
        "test_damaged_tensor_files_are_one_sentence": NOT_READ,
        "test_a_link_is_read_through_only_where_it_may_be": NOT_READ,
        "test_what_is_no_table_is_told": NOT_READ,
        "test_arrays_that_were_not_written_by_vera": NOT_READ,
        "test_arrays_that_unpack_to_too_much": "refused by what it says of its size, without being unpacked",
        "test_damaged_arrays_are_one_sentence": "arrays, or one sentence",
        "test_any_bytes_are_a_table_or_one_sentence": "a table, or one sentence",
    },
    "tests/unit/test_bundle_hostile.py": {
        "test_a_field_of_another_type_or_missing": NOT_BUILT,
        "test_a_mapping_where_a_text_belongs": NOT_BUILT,
        "test_a_text_where_a_mapping_belongs": NOT_BUILT,
        "test_a_class_that_is_not_on_the_list_is_not_even_imported": NOT_BUILT,
        "test_a_class_within_the_configuration_is_on_the_list_too": NOT_BUILT,
        "test_a_configuration_that_does_not_fit_the_weights": NOT_BUILT,
        "test_weights_that_do_not_fit_or_are_not_finite": NOT_BUILT,
        "test_a_record_nested_without_end_and_one_without_end": NOT_BUILT,
        "test_what_a_checkpoint_says_is_checked_alike": NOT_BUILT,
        "test_what_a_checkpoint_holds_is_checked_alike": NOT_BUILT,
        "test_a_configuration_that_holds_itself": NOT_BUILT,
        "test_any_bytes_in_a_record_are_one_sentence": NOT_BUILT,
    },
    "tests/unit/training/test_stored.py": {
        "test_foreign_targets_are_refused_wherever_they_stand": NOT_BUILT,
        "test_a_path_must_end_at_a_class_where_it_is_defined": NOT_BUILT,
        "test_what_is_built_is_of_its_kind": NOT_BUILT,
        "test_what_is_no_configuration_of_a_run": NOT_BUILT,
        "test_any_text_is_a_configuration_or_one_sentence": "a configuration, or one sentence",
        "test_a_malformed_checkpoint_is_one_sentence": NOT_BUILT,
        "test_a_data_set_that_gives_no_faces_is_one_sentence": NOT_BUILT,
        "test_what_is_no_checkpoint_is_one_sentence": NOT_BUILT,
    },
    "tests/unit/anonymization/test_exemplar_identity.py": {
        "test_an_identity_has_the_shapes_and_ranges_of_a_drawn_one": NOT_READ,
        "test_an_identity_of_an_earlier_format_is_refused": NOT_READ,
        "test_an_identitys_facts_have_their_ranges": NOT_READ,
        "test_any_bytes_are_an_identity_or_one_sentence": "an identity, or one sentence",
    },
    "tests/unit/anonymization/test_identity.py": {
        "test_what_is_no_identity": NOT_READ,
        "test_an_identity_has_the_shapes_and_ranges_of_a_face": NOT_READ,
        "test_an_identitys_facts_have_their_ranges": NOT_READ,
        "test_an_identity_of_another_version": "refused, says which version it needs",
        "test_an_identity_fits_the_bundle": "refused, says that it belongs to another bundle",
        "test_any_bytes_are_an_identity_or_one_sentence": "an identity, or one sentence",
    },
}
"""File, test, and what becomes of its inputs."""

OTHERS: dict[str, set[str]] = {
    "tests/integration/test_anonymize_photograph.py": {
        "test_a_pair_is_verified_and_kept_bit_for_bit",
        "test_every_kind_of_source_is_kept_bit_for_bit_and_python_gives_the_same",
        "test_a_pair_of_dicom_photographs_becomes_a_pair_of_dicom_photographs",
        "test_python_takes_an_array_and_loads_a_network",
        "test_demo_writes_panel_and_measurements",
        "test_demo_measures_and_draws_what_was_made",
        "test_the_shipped_generator_after_stage_2_anonymizes_by_optimisation",
    },
    "tests/unit/faces/test_image_file.py": {
        "test_every_orientation_is_applied_once",
        "test_every_mode_of_eight_bits_is_read_as_pillow_shows_it",
        "test_transparency_is_seen",
        "test_a_transparent_colour_is_seen_in_any_strip",
        "test_the_limit_on_pixels_is_exact",
        "test_a_link_is_followed",
        "test_a_name_that_is_not_utf8_is_read",
        "test_warnings_reach_the_photograph",
        "test_png_text_is_not_kept",
    },
    "tests/unit/faces/test_image_fuzz.py": {"test_good_files_are_read_exactly"},
    "tests/unit/faces/test_formats.py": {
        "test_the_content_counts_not_the_suffix",
        "test_a_png_chunk_is_found_before_the_pixels_only",
        "test_every_image_in_the_house_is_opened_by_the_list",
    },
    "tests/unit/faces/test_heif.py": {
        "test_a_lossless_heic_keeps_its_pixels",
        "test_ten_bits_are_rounded_to_the_eight_they_were_made_of",
        "test_transparency_is_seen",
        "test_a_turn_is_applied_once_though_it_stands_in_the_container_and_in_exif",
        "test_a_colour_profile_is_converted_as_in_a_png",
        "test_a_colour_space_named_by_numbers_is_converted_and_video_is_refused",
    },
    "tests/unit/faces/test_camera_raw.py": {
        "test_linear_light_comes_out_as_srgb_of_the_same_brightness",
        "test_the_cameras_white_balance_makes_its_neutral_grey",
        "test_the_orientation_is_applied_once_and_reading_repeats",
    },
    "tests/unit/faces/test_deep.py": {
        "test_eight_bits_that_were_scaled_up_come_back_exactly",
        "test_other_values_are_rounded_not_cut",
        "test_orientation_and_colours_are_those_of_an_eight_bit_file",
    },
    "tests/unit/faces/test_dicom.py": {
        "test_rgb_is_read_bit_for_bit",
        "test_planes_and_grey",
        "test_ybr_is_converted_as_the_standard_says",
        "test_a_palette_gives_its_colours",
        "test_a_jpeg_within_is_read_as_the_jpeg_itself",
        "test_the_exif_orientation_of_a_jpeg_within_is_not_dicoms",
        "test_what_img2dcm_made_of_a_jpeg_is_the_jpeg",
        "test_what_img2dcm_made_of_a_bitmap_is_the_bitmap",
        "test_samples_of_other_programs_are_read_as_dcmtk_reads_them",
        "test_a_tiff_that_is_a_dicom_file_too_is_a_dicom_file",
        "test_colours_are_converted_by_dicoms_profile_or_name_else_by_the_jpegs",
    },
    "tests/unit/faces/test_colour_space.py": {
        "test_named_colour_spaces_are_converted",
        "test_what_means_srgb_keeps_its_pixels",
        "test_adobe_rgb_of_a_jpeg_is_that_of_its_profile",
        "test_the_profile_in_a_bitmap_is_used",
        "test_a_built_srgb_profile_is_littlecms_own",
        "test_a_large_picture_is_converted_in_strips_as_a_whole_one",
    },
    "tests/unit/faces/test_content_credentials.py": {
        "test_a_signed_picture_is_trusted_by_who_trusts_the_authority",
        "test_the_manifest_says_what_the_xmp_says_and_nothing_else",
        "test_pixels_and_all_other_chunks_stay",
        "test_a_changed_picture_is_no_longer_valid",
        "test_a_protected_key_is_opened_by_the_environments_passphrase",
        "test_credentials_hold_no_key_and_notice_a_changed_certificate",
    },
    "tests/unit/faces/test_regions.py": {
        "test_what_borders_on_a_region_keeps_its_outline",
        "test_a_fold_under_the_chin_leaves_no_piece_of_it_on_the_neck",
        "test_each_region_lies_where_it_should",
        "test_a_turned_head_turns_its_regions",
        "test_regions_do_not_overlap",
        "test_lips_and_teeth_are_the_mouth",
        "test_a_margin_is_in_eye_distances_or_mm",
        "test_numbers_of_a_shape_stay_together_in_a_list",
        "test_shapes_cover_the_pixels_that_they_name",
    },
    "tests/unit/cli/test_landmarks.py": {"test_a_given_face_is_anonymized_warned_about_and_verified_again"},
    "tests/unit/cli/test_hostile.py": {"test_an_unusual_table_that_can_be_used"},
    "tests/unit/cli/test_hostile_folder.py": {"test_a_link_to_a_folder_is_a_folder"},
    "tests/unit/test_untrusted.py": {
        "test_what_json_can_say_is_read_as_it_is",
        "test_lines_are_read_to_the_last_whole_one",
        "test_a_table_is_read_as_it_stands",
        "test_arrays_are_read_as_they_were_written",
    },
    "tests/unit/test_bundle_hostile.py": {
        "test_what_was_changed_in_nothing_loads",
        "test_older_paths_are_known_by_their_aliases",
        "test_everything_on_the_list_is_defined_where_it_says",
        "test_only_what_can_be_read_again_is_written",
        "test_loading_leaves_the_random_numbers_as_one_construction_does",
        "test_the_command_line_does_not_run_when_it_is_imported",
    },
    "tests/unit/training/test_stored.py": {
        "test_what_vera_train_wrote_is_read_and_built",
        "test_what_vera_writes_itself_is_all_allowed",
    },
    "tests/unit/anonymization/test_exemplar_identity.py": {"test_saved_and_given_again"},
    "tests/unit/anonymization/test_identity.py": {
        "test_a_function_of_seed_person_and_attempt",
        "test_mixtures_vary_as_the_bank_does_and_are_nobody_in_it",
        "test_textures_come_from_rows_with_such_skin",
        "test_seeds_from_parts_do_not_collide",
        "test_saved_and_given_again",
        "test_an_interrupted_save_leaves_nothing_behind",
        "test_assembly_keeps_the_photographs_rows",
    },
}
"""Tests of these files whose inputs are good ones."""

NUMBERED = re.compile(r"[a-z_]+\d+")
"""Parts of a case's name that pytest made up."""
SHOWN = 60
"""Letters of a case's name that are shown."""


class Collector:
    """A plugin of pytest that keeps the names of all cases."""

    def __init__(self) -> None:
        self.cases: dict[tuple[str, str], list[str]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Called by pytest when all tests are known."""
        for item in session.items:
            test: Any = item
            file = Path(test.path).relative_to(ROOT).as_posix()
            self.cases.setdefault((file, test.originalname), []).append(test.callspec.id if hasattr(test, "callspec") else "")


def collected() -> dict[tuple[str, str], list[str]]:
    """The cases of each test of the files under ``OUTCOMES``."""
    collector = Collector()
    files = [str(ROOT / file) for file in OUTCOMES]
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        code = pytest.main(
            ["--collect-only", "-q", "--rootdir", str(ROOT), "-o", "addopts=--import-mode=importlib", "-p", "no:cacheprovider", *files],
            plugins=[collector],
        )
    if code != pytest.ExitCode.OK:
        raise SystemExit(f"pytest cannot collect the tests:\n{told.getvalue()}")
    return collector.cases


def page(cases: dict[tuple[str, str], list[str]]) -> str:
    """The table as Markdown."""
    unknown = [f"{file}::{test}" for file, test in cases if test not in OUTCOMES[file] and test not in OTHERS[file]]
    gone = [f"{file}::{test}" for file, tests in OUTCOMES.items() for test in tests if (file, test) not in cases]
    if unknown or gone:
        raise SystemExit(f"docs/bad_inputs.py: say what becomes of {unknown or 'no more'}; take out what is no test: {gone or 'nothing'}")
    total = sum(len(found) for (file, test), found in cases.items() if test in OUTCOMES[file])
    lines = [
        "# Bad inputs that are tried",
        "",
        "Made by `python docs/bad_inputs.py` from the tests; do not edit it by hand. `make test` runs each case.",
        "What they are meant to show is in the [threat model](threat_model.md).",
        "",
        f"Cases: {total:,}. Fuzzing tests count once, however many random inputs they try.",
        "",
    ]
    for file, tests in OUTCOMES.items():
        lines += [f"## {file}", "", "| tried | cases | what becomes of it |", "|---|---|---|"]
        for test, outcome in tests.items():
            found = cases[file, test]
            sentence = test.removeprefix("test_").replace("_", " ")
            names = "; ".join(dict.fromkeys(name for name in map(_shown, found) if name))
            lines.append(f"| {sentence}{': ' + names if names else ''} | {len(found)} | {outcome} |")
        lines.append("")
    return "\n".join(lines)


def _shown(name: str) -> str:
    """A case's name for a cell of the table; empty where pytest made it up."""
    known = "-".join(part for part in name.split("-") if not NUMBERED.fullmatch(part)).strip("-")
    known = re.sub(r"-\d+$", "", known)
    if not known or known.isdigit() or set(known) & set("{[\\"):
        return ""
    text = known if len(known) <= SHOWN else known[: SHOWN - 1] + "…"
    return "`" + text.replace("`", "'").replace("|", "¦") + "`"


def main() -> None:
    """Write the table, or compare it."""
    text = page(collected())
    if "--check" in sys.argv[1:]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
            raise SystemExit("docs/bad_inputs.md is out of date: run python docs/bad_inputs.py")
    else:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
