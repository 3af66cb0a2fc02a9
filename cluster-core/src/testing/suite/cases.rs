//! The list of cases, in the order of the contract. A body that is missing here is dead code, which
//! the build refuses.

/// Makes one `#[test]` of each case of the storage suite for a
/// [`Backend`](crate::testing::suite::Backend).
#[macro_export(local_inner_macros)]
macro_rules! storage_suite {
    ($backend:ty) => {
        __storage_cases!(__suite_tests, $backend);
    };
}

/// Makes one `#[test]` of each case of the suite of users' transactions for a
/// [`Backend`](crate::testing::suite::Backend).
#[macro_export(local_inner_macros)]
macro_rules! transaction_suite {
    ($backend:ty) => {
        __transaction_cases!(__suite_tests, $backend);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __storage_cases {
    ($macro:ident $(, $backend:ty)?) => {
        $crate::$macro! { $($backend)?;
            accepting::a_request_reads_back_as_it_was_accepted
            accepting::accepting_an_id_again_changes_nothing
            accepting::a_known_key_tells_the_first_request_and_its_outcome
            accepting::a_request_is_found_by_its_key
            accepting::a_key_is_scoped_by_type_id_and_message
            accepting::an_id_of_another_request_is_a_collision
            accepting::duplicates_within_one_batch_are_found
            accepting::a_duplicate_keeps_nothing_else_of_its_batch_back
            accepting::a_seq_is_given_once
            outcomes::an_outcome_finishes_a_request_once
            outcomes::attempts_are_counted_and_never_fall
            outcomes::a_dead_letter_is_listed_until_it_has_an_outcome
            outcomes::rows_of_requests_that_are_not_stored_are_dropped
            outcomes::nothing_happens_to_a_finished_request
            chunks::chunks_are_read_in_order_page_by_page
            chunks::what_was_read_goes_but_for_its_last
            chunks::chunks_stay_with_their_request
            states::states_load_in_the_order_of_the_question
            states::a_state_is_written_over_its_own_version_only
            states::a_conflict_writes_nothing_of_its_batch
            pending::pending_requests_load_in_order_page_by_page_each_once
            pending::a_page_of_pending_requests_is_bounded_in_bytes
            pending::what_is_finished_dead_or_due_later_is_not_pending
            pending::only_owned_shards_and_the_asked_entity_are_loaded
            pending::dead_letters_are_listed_page_by_page
            later::due_requests_load_in_the_order_of_their_time
            later::a_page_of_due_requests_is_bounded_and_of_own_shards
            later::a_failed_request_is_due_at_its_next_attempt
            later::in_order_a_failed_request_keeps_its_place
            later::held_requests_are_listed_until_they_are_released
            later::a_request_runs_again_from_where_it_stands_only
            alive::who_is_kept_alive_is_listed_until_released
            alive::the_owner_of_its_shard_alone_is_told_who_is_kept
            inbox::wishes_are_listed_page_by_page_until_they_are_taken
            inbox::a_row_goes_with_the_batch_that_takes_it
            inbox::a_row_taken_again_takes_no_other
            inbox::who_has_lost_its_fence_takes_nothing
            ownership::the_first_runner_fixes_the_settings
            ownership::shard_groups_keep_their_numbers
            ownership::joining_fences_off_every_earlier_incarnation
            ownership::taking_shards_returns_those_asked_for_with_higher_epochs
            ownership::a_renewal_moves_the_end_of_the_lease
            ownership::who_has_lost_its_fence_renews_nothing
            ownership::the_last_starts_of_runners_are_listed
            ownership::nothing_commits_under_a_raised_fence
            ownership::a_batch_of_nothing_confirms_the_fence
            ownership::raising_the_fence_may_be_repeated_once
            ownership::leaving_frees_the_shards_and_may_be_repeated
            ownership::cluster_time_moves_with_its_offset
            ownership::the_highest_seq_is_never_forgotten
            survival::what_is_committed_survives_the_process
            survival::a_dropped_commit_is_whole_or_nothing
            survival::concurrent_commits_each_land_once
            survival::two_prefixes_see_nothing_of_each_other
            limits::payloads_up_to_the_limit_come_back_byte_for_byte
            limits::what_is_too_large_is_refused_before_anything_is_written
            limits::strange_ids_and_keys_stay_distinct
            journal::a_history_reads_back_as_it_was_written
            journal::a_long_history_is_loaded_in_order
            journal::a_position_holds_one_entry
            journal::a_journal_written_again_changes_nothing
            journal::the_first_completion_of_a_deferred_holds
            journal::a_completion_of_what_has_ended_is_dropped
            journal::a_history_goes_with_its_request
            journal::what_is_too_large_for_a_journal_is_refused
            retention::finished_requests_go_by_their_class_and_age
            retention::what_is_not_finished_is_never_retired
            retention::a_derived_request_stays_as_long_as_its_outer_one
            retention::retention_goes_in_bounded_steps_oldest_first
            retention::a_request_of_the_future_holds_up_no_other
            retention::the_time_that_retention_reached_is_told_to_the_next
            retention::a_retired_key_runs_again
            entities::a_reminders_request_reads_back_with_its_period
            entities::a_reminder_is_what_was_written_last
            entities::the_requests_of_an_entity_are_listed_wherever_they_stand
            entities::a_removed_request_is_gone_from_wherever_it_stood
            entities::a_forgotten_entity_has_neither_state_nor_reminders
            entities::what_was_cleared_begins_anew
            retries::a_batch_written_again_has_its_effect_once
            retries::a_request_is_moved_once_however_often_it_is_written
            retries::every_write_of_ownership_may_be_repeated
            retries::every_other_write_may_be_repeated
            retries::a_lost_commit_never_lands_beside_its_retry
            contracts::a_shape_is_stored_once_and_never_changes
            contracts::contracts_are_replaced_and_listed_in_order
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __transaction_cases {
    ($macro:ident $(, $backend:ty)?) => {
        $crate::$macro! { $($backend)?;
            transactions::a_transaction_commits_its_batch
            transactions::a_transaction_rolled_back_or_dropped_leaves_nothing
            transactions::a_dropped_begin_frees_the_database
            transactions::a_transaction_under_a_lost_fence_leaves_nothing
            transactions::raising_the_fence_decides_every_open_transaction
            transactions::a_transaction_never_builds_on_a_state_that_is_not_stored
            transactions::the_outcome_tells_whether_a_lost_transaction_committed
            transactions::transactions_and_batches_take_turns
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __suite_tests {
    ($backend:ty; $($module:ident :: $case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $crate::testing::suite::run::$case::<$backend>();
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __suite_functions {
    (; $($module:ident :: $case:ident)*) => {
        $(
            pub fn $case<B: Backend>() {
                run(super::$module::$case::<B>);
            }
        )*
    };
}
