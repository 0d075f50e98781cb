/// Creates a test for each promise of the storage ports, in one module for each port.
///
/// Takes an expression that is a future. Its output is an empty store that lives until the test ends, and is a
/// [`StoreUnderTest`](crate::test_support::contracts::StoreUnderTest) by `AsRef`. The expression is evaluated once for
/// each test, inside a multi-threaded tokio runtime. The calling crate needs tokio with `macros` and
/// `rt-multi-thread`.
///
/// `macro_rules!` cannot enumerate functions, so the lists below name them. The unit test
/// `macros_list_every_contract_function` fails if one is missing.
#[macro_export]
macro_rules! store_contract {
    ($make:expr) => {
        $crate::store_contract! { @module user_reader, $make;
            a_user_is_found_by_each_of_its_keys
            a_user_is_found_by_any_spelling_of_name_or_email
            an_unknown_key_finds_no_user
            an_external_id_is_never_mistaken_for_a_user_id
            a_deleted_user_is_found_by_each_of_its_keys
            a_reader_sees_the_last_acknowledged_write
            a_lookup_before_creation_does_not_hide_the_new_user
            a_former_username_or_email_finds_no_user
            a_batch_keeps_key_order_with_duplicates_and_missing_users
            a_batch_includes_deleted_users
            an_empty_batch_finds_no_users
            a_batch_of_500_keys_is_one_call
            every_value_is_stored_exactly
            a_change_keeps_every_value_exactly
        }
        $crate::store_contract! { @module service_token_registry, $make;
            a_token_is_found_as_issued
            an_unknown_token_is_not_found
            tokens_are_listed_newest_first
            a_revoked_token_is_found_revoked
            a_second_revocation_keeps_the_first
            racing_revocations_revoke_once
            the_last_use_of_a_token_only_moves_forward
            racing_uses_of_a_token_keep_the_latest
            the_change_log_reports_issued_and_revoked_tokens
            token_events_are_not_user_events
        }
        $crate::store_contract! { @module suspension_ends, $make;
            a_suspension_is_stored_replaced_and_cleared
            a_suspension_ends_exactly_when_due
            only_suspensions_with_an_end_are_ended
            due_suspensions_are_returned_in_bounded_batches
            racing_workers_end_a_suspension_once
        }
        $crate::store_contract! { @module user_writer, $make;
            an_added_user_is_stored_as_registered
            a_username_is_unique_in_any_case
            a_non_ascii_username_is_unique_in_any_case
            a_lookalike_of_a_username_is_taken
            similar_ascii_usernames_may_both_exist
            an_email_address_is_unique_in_any_spelling
            an_external_id_is_unique_by_exact_text
            many_users_may_have_no_external_id
            of_several_taken_values_the_first_is_reported
            values_of_a_deleted_user_stay_taken
            a_refused_addition_stores_nothing
            racing_adds_of_one_username_create_one_user
            racing_adds_of_lookalike_names_create_one_user
            racing_adds_of_one_email_address_create_one_user
            racing_adds_of_one_external_id_create_one_user
            racing_adds_of_different_users_all_succeed
            a_change_stores_the_domain_result
            a_change_affects_no_other_user
            a_change_without_effect_keeps_the_version
            a_change_of_an_unknown_user_is_not_found
            a_change_that_the_domain_refuses_is_refused
            a_refused_change_stores_nothing
            a_precondition_admits_only_the_expected_version
            sixty_racing_merges_all_take_effect
            of_24_racing_conditional_changes_one_succeeds
            changes_racing_an_erasure_precede_it_or_find_no_user
            an_erased_user_is_absent_from_reads_lists_and_counts
            a_deleted_user_can_be_erased
            an_erasure_of_an_unknown_user_is_not_found
            no_change_restores_an_erased_user
            an_erasure_of_an_unexpected_version_is_refused
            of_racing_erasures_one_succeeds
            a_repeated_addition_returns_the_first_user
            a_replay_returns_the_current_user
            a_replay_ignores_its_precondition
            a_change_without_effect_is_replayed
            a_key_with_another_fingerprint_is_refused
            idempotency_keys_are_separate_per_actor
            keys_of_255_characters_are_compared_in_full
            an_idempotency_key_expires_after_24_hours
            a_repeated_erasure_is_replayed
            a_recorded_write_is_found_by_its_actor_key_and_fingerprint
            a_write_record_says_whether_it_ended_its_actors_access
            a_replay_after_the_erasure_finds_no_user
            sixteen_racing_copies_of_an_addition_create_one_user
            sixteen_racing_copies_of_a_change_apply_once
            racing_copies_of_an_erasure_apply_once
            racing_different_requests_with_one_key_do_not_both_apply
            a_released_name_is_reserved_for_90_days
            a_lookalike_of_a_reserved_name_is_reserved
            a_rename_to_a_reserved_name_is_refused
            a_user_may_reclaim_its_released_name
            a_name_released_twice_is_reserved_from_the_second_release
            only_the_latest_owner_may_reclaim_a_name
            a_new_spelling_of_a_name_releases_nothing
            a_user_may_take_a_lookalike_of_its_own_name
            the_name_of_an_erased_user_is_reserved_for_90_days
            email_and_external_id_of_an_erased_user_are_free_at_once
            a_former_email_address_is_free_at_once
            a_refused_rename_releases_no_name
            a_change_to_a_taken_value_names_the_field
            of_racing_renames_to_one_username_one_succeeds
        }
        $crate::store_contract! { @module user_records, $make;
            at_most_three_names_of_a_user_are_reserved
            reserved_names_are_counted_per_user
            a_reclaimed_name_is_not_reserved
            reserved_names_of_an_erased_user_are_unreadable
            an_erased_user_leaves_at_most_three_reserved_names
            a_reservation_ended_by_an_operator_frees_the_name
            the_idempotency_records_of_a_user_are_counted
        }
        $crate::store_contract! { @module user_directory, $make;
            a_status_filter_matches_exactly_those_statuses
            a_role_filter_matches_whole_role_names
            a_role_filter_sees_changes
            a_time_filter_includes_its_start_and_excludes_its_end
            a_filter_by_email_or_external_id_finds_one_user
            a_username_prefix_matches_in_any_case
            a_prefix_ending_in_sigma_matches_inner_and_final_sigmas
            wildcards_in_a_prefix_are_literal
            a_search_covers_usernames_and_names_in_any_case
            a_search_finds_wide_characters_and_single_ideographs
            a_search_does_not_span_username_and_name
            a_search_sees_changes
            wildcards_in_a_search_are_literal
            filter_conditions_are_combined_with_and
            a_metadata_filter_compares_strings_by_text_and_others_by_json
            a_metadata_filter_takes_keys_literally
            a_metadata_filter_sees_changes_and_values_of_any_length
            an_empty_directory_has_one_empty_page
            users_are_sorted_in_each_order_with_ties_by_id
            names_are_sorted_by_the_code_points_of_their_keys
            a_page_returns_complete_users
            a_full_last_page_has_no_next_position
            the_next_position_respects_the_filter
            a_page_starts_after_a_position_that_no_user_has
            a_page_after_the_last_user_is_empty
            paging_returns_each_lasting_user_once_despite_other_writes
            paging_by_last_change_returns_each_unchanged_user_once
        }
        $crate::store_contract! { @module change_log, $make;
            each_applied_write_stores_its_domain_event_in_order
            events_at_one_time_are_ordered_by_version
            events_are_ordered_by_version_after_a_clock_step_back
            a_write_without_effect_has_no_event
            a_refused_write_has_no_event
            a_replayed_write_has_one_event
            events_are_separate_per_user
            an_unknown_user_has_no_events
            events_are_paged_newest_first
            the_events_of_a_user_outlive_its_erasure
            events_contain_no_personal_data
            changes_committed_after_a_position_are_returned
            changes_committed_before_a_position_are_not_returned
            a_write_without_effect_is_not_returned
            an_erasure_is_returned_with_the_highest_revision
            repeated_polls_return_every_racing_write
            an_unknown_position_returns_incomplete_and_the_current_position
            backward_paging_returns_every_change_once
            backward_paging_runs_from_newest_to_oldest
            backward_paging_of_an_empty_log_ends_at_once
        }
        $crate::store_contract! { @module retention, $make;
            a_deleted_user_is_erased_after_30_days_and_not_earlier
            an_expired_user_leaves_only_events_and_a_reserved_name
            only_deleted_users_expire
            expired_users_are_listed_oldest_deletion_first_in_batches
            a_user_restored_after_being_listed_is_kept
            a_second_deletion_starts_a_new_30_day_period
            of_racing_purges_one_erases_the_user
            an_acknowledged_restoration_survives_a_racing_purge
            an_event_is_kept_for_30_days
            an_idempotency_key_is_kept_for_24_hours
            a_released_name_is_kept_for_90_days
            racing_purges_remove_each_record_once
            a_purge_is_bounded_and_reports_that_records_remain
            a_reused_key_is_kept_from_its_latest_use
            a_name_released_again_is_kept_from_its_latest_release
            a_position_before_purged_events_is_incomplete
            a_fully_purged_log_continues_from_its_position
        }
    };
    (@module $module:ident, $make:expr; $($test:ident)*) => {
        mod $module {
            #[allow(unused_imports, clippy::allow_attributes, reason = "the expression may use none of the imports")]
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $test() {
                    let under_test = $make.await;
                    $crate::test_support::contracts::$module::$test(under_test.as_ref()).await;
                }
            )*
        }
    };
}

/// Creates a test for each promise of [`UserImport`](crate::ports::UserImport), in a module `user_import`.
///
/// Takes an expression as [`store_contract!`](crate::store_contract) does. Its output is an
/// [`ImportUnderTest`](crate::test_support::contracts::ImportUnderTest) by `AsRef`: an empty store, read without a
/// cache.
#[macro_export]
macro_rules! import_contract {
    ($make:expr) => {
        $crate::store_contract! { @module user_import, $make;
            an_imported_user_is_stored_as_the_domain_creates_it
            a_repeated_import_changes_nothing_and_logs_no_event
            an_import_finds_its_user_by_each_key
            an_import_applies_all_differences_with_one_event
            an_import_keeps_id_and_creation_of_an_existing_user
            a_record_with_keys_of_two_users_is_refused
            a_refused_record_does_not_affect_others
            a_record_never_changes_the_user_of_an_earlier_record
            a_record_without_a_match_that_collides_is_refused
            a_lookalike_name_is_refused
            a_reserved_name_is_refused_except_to_its_former_owner
            a_name_released_by_an_import_is_reserved
            the_ids_of_an_erased_user_are_refused_forever
            a_deleted_user_is_restored_only_by_an_explicit_status
            a_deletion_is_imported
            a_dry_run_predicts_the_import_and_writes_nothing
            a_batch_of_500_records_is_imported
            values_swapped_within_a_batch_are_refused
            racing_imports_of_one_batch_create_each_user_once
            an_import_racing_changes_loses_none
        }
    };
}

/// Creates a test for each promise of [`Credentials`](crate::ports::Credentials) and
/// [`LoginAttempts`](crate::ports::LoginAttempts), in a module `credentials`.
///
/// Takes an expression as [`store_contract!`](crate::store_contract) does. Its output is a
/// [`CredentialsUnderTest`](crate::test_support::contracts::CredentialsUnderTest) by `AsRef`: an empty store, read
/// without a cache.
#[macro_export]
macro_rules! credentials_contract {
    ($make:expr) => {
        $crate::store_contract! { @module credentials, $make;
            a_user_may_be_added_with_a_password
            a_password_can_be_set_and_removed
            a_refused_or_replayed_password_is_not_stored
            a_deleted_user_has_no_credential_until_restored
            a_rehash_is_stored_unless_the_password_changed
            racing_password_changes_keep_the_last_version
            an_import_replaces_passwords_until_first_use
            a_password_changed_elsewhere_is_imported_again
            login_failures_are_counted_by_the_domain_rule
            login_failures_are_counted_per_account_and_source
            racing_failures_are_all_counted
            the_login_failures_of_a_user_can_be_read_and_cleared
            a_known_source_stays_known_after_clearing
            an_erased_user_leaves_no_failures
            logins_of_one_identifier_and_source_take_turns
            expired_login_attempts_are_purged
        }
    };
}

/// Creates a test for each promise of [`Relationships`](crate::ports::Relationships) and
/// [`FollowCountMaintenance`](crate::ports::FollowCountMaintenance), in a module `relationships`.
///
/// Takes an expression as [`store_contract!`](crate::store_contract) does. Its output is a
/// [`RelationshipsUnderTest`](crate::test_support::contracts::RelationshipsUnderTest) by `AsRef`: an empty store.
#[macro_export]
macro_rules! relationships_contract {
    ($make:expr) => {
        $crate::store_contract! { @module relationships, $make;
            a_repeated_follow_changes_nothing
            an_unfollow_ends_one_direction_and_is_idempotent
            a_relationship_with_an_absent_user_is_not_found
            a_suspended_user_is_counted_after_its_activation
            a_follow_changes_no_user
            a_precondition_is_ignored
            a_follow_batch_returns_outcomes_in_order
            a_batch_of_1000_follows_is_applied
            a_block_ends_follows_both_ways_and_prevents_new_ones
            a_blocked_user_can_only_block_back
            any_id_can_be_blocked_and_stays_listed
            a_block_of_a_deleted_user_ends_its_follows
            a_blocked_user_is_listed_by_its_name_when_blocked
            an_unblock_restores_no_follow_and_allows_new_ones
            the_first_and_last_block_change_the_blocking_user
            a_block_outlives_suspension_and_deletion
            blocks_are_listed_newest_first
            flags_keep_request_order_with_duplicates_and_missing_users
            a_blocked_user_cannot_see_its_blocker
            flags_outlive_suspension_and_return_after_restoration
            a_block_hides_both_users_from_each_other
            flags_of_200_users_are_one_call
            lists_are_sorted_newest_first_then_by_id
            a_full_last_page_of_a_list_has_no_next_position
            the_next_position_of_a_list_ignores_hidden_users
            a_list_page_starts_after_a_position_without_an_entry
            paging_returns_each_lasting_relationship_once_despite_other_writes
            lists_contain_only_active_users
            name_lists_include_suspended_and_exclude_deleted_users
            lists_hide_users_in_a_block_with_the_viewer
            lists_return_complete_users
            counts_equal_list_lengths_after_every_change
            counts_are_right_if_a_user_changes_while_counts_are_pending
            pending_counts_of_many_relationships_are_applied_in_batches
            an_imported_deletion_or_restoration_is_counted
            an_erased_user_has_no_relationships
            an_expired_user_has_no_relationships
            counts_keep_the_order_of_the_users
            maintenance_of_correct_counts_changes_nothing
            a_change_with_one_idempotency_key_applies_once
            a_relationship_change_without_effect_is_replayed
            a_key_of_another_request_is_refused
            a_refused_relationship_change_leaves_no_record
            each_relationship_change_has_one_event
            the_events_of_a_user_include_its_own_relationship_changes
            a_relationship_event_is_kept_for_30_days
            relationship_changes_are_not_user_changes
            many_follows_displace_no_user_change_from_the_log
            racing_copies_of_a_follow_count_once
            racing_copies_with_one_key_apply_once
            racing_followers_of_one_user_are_all_counted
            a_follow_racing_a_block_does_not_survive_it
            racing_mutual_blocks_both_apply
            racing_blocks_keep_has_blocks_correct
            follows_racing_status_changes_are_counted_right
            follows_racing_an_erasure_leave_nothing
            racing_batches_in_opposite_orders_do_not_deadlock
            racing_count_updates_count_no_follow_twice
            any_sequence_of_changes_matches_the_model
        }
    };
}

/// Creates a test for each promise of [`UserCache`](crate::ports::UserCache), in a module `user_cache`.
///
/// Takes an expression as [`store_contract!`](crate::store_contract) does. Its output is a
/// [`CacheUnderTest`](crate::test_support::contracts::CacheUnderTest) by `AsRef`: an empty cache that is ready for
/// lookups and lives until the test ends.
#[macro_export]
macro_rules! cache_contract {
    ($make:expr) => {
        $crate::store_contract! { @module user_cache, $make;
            an_unknown_id_is_a_miss
            a_filled_user_is_a_hit
            a_put_user_is_a_hit
            an_absent_user_is_cached
            a_put_replaces_a_cached_absence
            an_observation_removes_a_cached_absence
            an_observed_newer_version_removes_the_older
            an_observed_older_version_keeps_the_newer
            a_newer_fill_replaces_an_older_value
            an_older_fill_never_replaces_a_newer_value
            a_forgotten_user_is_a_miss_and_can_be_filled_again
            users_are_cached_independently
            a_lookup_keeps_the_order_of_the_ids
            a_lookup_of_500_ids_is_one_call
            hints_find_filled_observed_and_put_users
            a_hint_follows_a_rename
            a_put_invalidates_earlier_leases
            a_put_invalidates_a_lease_that_found_no_user
            an_observation_invalidates_leases_of_older_values
            forgetting_a_user_invalidates_earlier_leases
            a_put_that_arrives_after_a_later_write_is_discarded
            puts_in_write_order_leave_nothing_older
            a_put_after_forgetting_the_user_is_discarded
            a_dropped_lease_is_available_to_the_next_reader
            a_write_that_drops_its_lease_invalidates_nothing
            a_waiting_reader_gets_the_result_of_the_first_reader
            a_waiting_reader_learns_that_the_first_reader_gave_up
            a_read_after_a_write_ignores_earlier_readers
            racing_fills_and_puts_leave_the_newest_or_nothing
            readers_racing_an_erasure_do_not_restore_the_user
        }
    };
}
