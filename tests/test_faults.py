"""Twenty things that go wrong on a bad day, and the tests that show what then happens.

This file is the list. The tests are in the files of what they test. If one is renamed or lost, the list fails.
"""

import ast
import functools
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FAULTS = {
    "1 an episode is terminated, truncated, or both at once": [
        "test_replay::test_a_termination_and_a_truncation_differ_only_in_the_mask",
        "test_contract::test_an_episode_that_is_terminated_and_truncated_at_once_ends_without_bootstrap",
    ],
    "2 a vector environment resets in another mode": [
        "test_contract::test_only_the_autoreset_mode_that_agents_expect_is_accepted",
        "test_envs::test_every_valid_row_is_a_true_transition_and_every_other_row_an_autoreset_row",
    ],
    "3 the last observation of an Atari game": [
        "test_contract::test_the_last_observation_of_an_atari_game_is_its_own",
        "test_contract::test_only_stacks_of_frames_are_stored_frame_by_frame",
    ],
    "4 the edge of a rollout, and episodes of one step": [
        "test_rollout::test_every_row_is_one_transition_with_the_value_of_its_true_next_state",
        "test_garbage::test_the_smallest_batches_leave_finite_numbers",
    ],
    "5 an observation or a reward is not a finite number": [
        "test_garbage::test_the_first_number_that_32_bits_cannot_hold_is_named",
        "test_garbage::test_learning_goes_on_after_a_bad_number_without_it",
    ],
    "6 a loss or a gradient is not a finite number": [
        "test_garbage::test_an_update_that_fails_changes_nothing",
        "test_garbage::test_gorilas_server_takes_no_bad_gradient",
        "test_garbage::test_a_worker_of_a3c_pushes_no_bad_gradient",
        "test_garbage::test_an_infinite_error_is_refused_although_its_gradient_is_finite",
    ],
    "7 a batch of one, equal advantages, a ratio that overflows": [
        "test_garbage::test_the_smallest_batches_leave_finite_numbers",
        "test_properties::test_normalized_advantages_have_mean_0_and_forget_scale_and_shift",
        "test_properties::test_the_ratio_is_positive_finite_and_1_for_equal_policies",
    ],
    "8 wrong spaces, types and APIs": [
        "test_contract::test_a_fault_is_named_in_one_sentence",
        "test_spaces::test_the_page_says_what_each_agent_handles_and_every_cure_works",
        "test_settings::test_an_impossible_value_is_refused_in_one_sentence",
    ],
    "9 an environment changes an observation that it has shown": [
        "test_contract::test_observations_are_safe_to_keep",
        "test_rollout::test_the_emulators_frames_are_not_overwritten",
    ],
    "10 there is not enough memory": [
        "test_files::test_what_does_not_fit_into_the_memory_is_refused_before_it_is_taken",
        "test_files::test_the_priorities_are_counted_too",
        "test_files::test_a_limit_of_the_shell_counts",
        "test_replay::test_available_memory_is_the_smaller_of_machine_and_container",
    ],
    "11 shared memory is small": [
        "test_a3c::test_too_little_shared_memory_is_refused_in_a_sentence_that_names_both_sizes",
        "test_gorila::test_too_little_shared_memory_is_refused_in_a_sentence",
        "test_transport::test_nothing_stays_in_shared_memory_when_it_turns_out_to_be_full",
    ],
    "12 a worker is killed, even in an update": [
        "test_workers::test_a_dead_workers_exit_code_is_put_into_words",
        "test_a3c::test_a_worker_killed_in_the_middle_of_a_locked_update_does_not_stop_the_other",
        "test_gorila::test_the_others_continue_when_a_worker_is_killed",
    ],
    "13 a worker hangs, even while it starts": [
        "test_workers::test_a_worker_that_is_silent_for_longer_than_a_heartbeat_is_named_and_ended",
        "test_workers::test_a_worker_may_be_silent_while_it_starts_but_not_for_ever_whatever_the_heartbeat",
        "test_workers::test_a_worker_that_is_stopped_in_the_middle_of_a_message_does_not_block_the_parent",
    ],
    "14 a kernel is interrupted, restarted or killed": [
        "test_kernel::test_a_kernel_survives_interrupts_sliders_and_cells_that_are_run_again",
        "test_interrupted_step::test_no_replayed_transition_is_one_that_never_was",
        "test_browser::test_restarting_a_kernel_ends_its_workers",
        "test_workers::test_ctrl_c_while_starting_is_silent_and_a_killed_parent_leaves_no_worker",
    ],
    "15 a worker cannot import something": [
        "test_workers::test_what_a_notebook_defines_is_refused_wherever_it_hides",
        "test_importable::test_workers_refuse_an_id_that_a_notebook_registered",
        "test_importable::test_workers_refuse_a_module_that_they_would_not_find",
    ],
    "16 a save is killed, or the disk is full": [
        "test_checkpoint::test_a_kill_during_a_save_leaves_a_whole_file",
        "test_files::test_a_full_disk_is_named_and_the_old_file_is_whole",
        "test_files::test_what_killed_processes_left_is_removed_and_their_locks_are_free",
    ],
    "17 a checkpoint is damaged, old, foreign or malicious": [
        "test_files::test_a_crafted_file_is_refused_in_one_sentence",
        "test_files::test_a_foreign_file_is_refused",
        "test_checkpoint::test_a_flipped_byte_is_noticed_or_harmless",
        "test_checkpoint::test_a_file_that_would_run_code_is_refused_unread",
        "test_resume::test_a_file_of_an_earlier_version_can_act_and_says_what_it_lacks",
    ],
    "18 a resumed run is not the same run": [
        "test_resume::test_dqn_continues_as_if_nothing_had_happened",
        "test_resume::test_a_policy_gradient_continues_as_if_nothing_had_happened",
        "test_cli::test_an_interrupted_run_continues_as_if_nothing_had_happened",
    ],
    "19 two runs write one file, or a signal ends a run": [
        "test_files::test_a_second_run_to_the_same_file_is_refused_and_the_first_is_whole",
        "test_files::test_a_second_command_on_the_same_file_is_refused",
        "test_cli::test_other_signals_interrupt_a_run_too",
        "test_cli::test_closing_the_terminal_saves_the_run",
    ],
    "20 the set-up is interrupted, offline, read-only, or started twice": [
        "test_setup::test_what_an_install_started_ends_with_it_however_it_ends",
        "test_setup::test_without_a_network_the_cure_is_a_network_and_not_other_versions",
        "test_setup::test_a_checkout_that_cannot_be_written_is_named_and_its_cure_too",
        "test_setup::test_a_second_command_says_that_it_waits_and_then_finds_the_environment_made",
    ],
}


@functools.cache
def written_in(file):
    """The names of the tests in a file that are not skipped."""
    tree = ast.parse((HERE / f"{file}.py").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {f.name for f in functions if not any(".skip(" in ast.unparse(mark) for mark in f.decorator_list)}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_its_tests(fault):
    for name in FAULTS[fault]:
        file, test = name.split("::")
        assert test in written_in(file), f"there is no test {name}"


def test_there_are_twenty():
    assert [fault.split()[0] for fault in FAULTS] == [str(number) for number in range(1, 21)]
