/// Makes a test of each promise of the stores' ports, its name the promise, in a module for each port.
///
/// Takes an expression whose future gives something that is a
/// [`StoreUnderTest`](crate::test_support::contracts::StoreUnderTest) by `AsRef`: an empty store, which lives until
/// the test ends. The expression is evaluated once for each test, inside a multi-threaded tokio runtime; the crate
/// that calls needs tokio with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! store_contract {
    ($make:expr) => {
        $crate::store_contract! { @port user_reader, $make;
            a_user_is_found_by_each_of_its_keys
            a_user_is_found_by_a_name_or_address_in_another_spelling
            a_key_that_is_nobodys_finds_nobody
            an_older_id_that_looks_like_an_id_is_not_taken_for_one
            a_deleted_user_is_found_by_each_of_its_keys
            a_reader_sees_the_last_acknowledged_write
            a_user_sought_before_it_was_added_is_found_after
            a_key_that_was_given_up_finds_nobody
            many_are_found_in_the_order_of_their_keys_with_duplicates_and_gaps
            deleted_users_are_among_the_many
            no_keys_find_no_users
            five_hundred_keys_are_answered_at_once
            every_value_survives_storage_exactly
            every_value_survives_a_change_exactly
        }
        $crate::store_contract! { @port service_token_registry, $make;
            a_token_is_found_as_it_was_made
            an_unknown_token_is_none
            tokens_are_listed_the_newest_first
            a_revoked_token_is_found_revoked
            a_second_revocation_leaves_the_first
            racing_revocations_revoke_once
            a_use_is_noted_and_never_goes_backwards
            racing_notes_leave_the_latest
            tokens_that_were_made_and_revoked_are_told_in_the_log_of_changes
            the_events_of_tokens_are_none_of_users
        }
        $crate::store_contract! { @port user_writer, $make;
            an_added_user_is_the_one_that_was_registered
            a_username_is_taken_in_every_case
            a_username_beyond_ascii_is_taken_in_every_case
            a_look_alike_of_a_username_is_taken
            names_in_ascii_that_look_alike_may_both_exist
            an_email_address_is_taken_in_every_spelling
            an_external_id_is_taken_by_its_exact_text
            many_users_may_have_no_external_id
            of_several_taken_values_the_first_is_named
            what_a_deleted_user_has_is_still_taken
            a_refused_addition_leaves_nothing
            racing_adds_of_one_username_in_mixed_case_leave_one
            racing_adds_of_names_that_look_alike_leave_one
            racing_adds_of_one_email_address_leave_one
            racing_adds_of_one_external_id_leave_one
            racing_adds_of_different_users_all_succeed
            a_change_makes_what_the_domain_makes
            a_change_touches_nobody_else
            an_unchanged_user_keeps_its_version_and_everything_else
            a_change_of_an_unknown_user_finds_nobody
            what_the_domain_refuses_is_refused
            a_refused_change_leaves_nothing
            an_expected_version_admits_exactly_that_version
            sixty_racing_merges_all_take_effect
            one_of_24_racing_changes_of_one_expected_version_is_made
            changes_that_race_an_erasure_come_before_it_or_find_nobody
            an_erased_user_is_gone_from_reads_lists_and_counts
            a_deleted_user_can_be_erased
            an_erasure_of_an_unknown_user_finds_nobody
            nothing_brings_an_erased_user_back
            an_erasure_of_an_unexpected_version_is_refused
            one_of_racing_erasures_finds_the_user
            a_repeated_addition_gives_the_first_user
            a_repetition_gives_the_user_as_it_is_now
            a_repetition_does_not_look_at_its_precondition_again
            a_repetition_of_what_changed_nothing_is_a_repetition
            a_key_with_another_fingerprint_is_refused
            keys_of_different_actors_do_not_meet
            a_key_of_255_characters_is_told_from_one_that_differs_in_the_last
            a_key_is_forgotten_after_24_hours
            a_repeated_erasure_is_a_repetition
            a_repetition_after_the_user_was_erased_finds_nobody
            sixteen_racing_twins_of_an_addition_make_one_user
            sixteen_racing_twins_of_a_change_change_the_user_once
            racing_twins_of_an_erasure_erase_the_user_once
            racing_requests_under_one_key_with_two_fingerprints_are_not_both_done
            a_name_given_up_rests_for_90_days_and_is_free_then
            a_look_alike_of_a_resting_name_rests_too
            nobody_renames_itself_to_a_name_that_rests
            a_user_may_take_back_its_own_name
            a_name_given_up_twice_rests_from_the_second_time
            a_former_owner_does_not_take_a_name_back_from_a_later_one
            a_name_typed_otherwise_does_not_rest
            a_user_may_take_a_look_alike_of_its_own_name
            the_name_of_an_erased_user_rests_for_90_days
            the_address_and_external_id_of_an_erased_user_are_free_at_once
            an_address_given_up_is_free_at_once
            a_refused_rename_gives_no_name_up
            a_change_to_what_somebody_has_names_the_field
            racing_renames_to_one_username_leave_one
        }
        $crate::store_contract! { @port user_directory, $make;
            a_filter_by_status_lets_exactly_those_pass
            a_filter_by_role_looks_at_whole_names
            a_filter_by_role_follows_changes
            a_filter_by_time_includes_its_moment
            a_filter_by_address_or_external_id_finds_its_one_user
            a_prefix_is_one_of_the_name_in_any_case
            wildcards_in_a_prefix_stand_for_themselves
            a_search_looks_through_usernames_and_names_without_case
            a_search_does_not_run_from_one_name_into_the_other
            a_search_follows_changes
            wildcards_in_a_search_stand_for_themselves
            all_conditions_of_a_filter_hold_at_once
            an_empty_directory_has_one_empty_page
            users_come_in_each_order_with_ties_by_id
            names_come_in_the_order_of_their_keys_code_points
            the_users_of_a_page_are_whole
            the_last_page_has_no_next_position_even_when_it_is_full
            the_next_position_looks_at_the_filter
            a_page_begins_behind_its_position_though_nobody_is_there
            a_page_behind_the_last_user_is_empty
            a_walk_sees_each_lasting_user_exactly_once_while_others_come_and_go
            a_walk_by_the_last_change_sees_each_unchanged_user_exactly_once
        }
        $crate::store_contract! { @port change_log, $make;
            each_applied_write_has_the_event_that_the_domain_made_in_order
            events_of_one_moment_come_in_order_of_version
            events_come_in_order_of_version_though_the_clock_went_back
            an_unchanged_write_has_no_event
            a_refused_write_has_no_event
            a_replayed_write_has_one_event
            the_events_of_one_user_are_not_mixed_with_anothers
            an_unknown_user_has_no_events
            the_events_of_a_user_outlive_its_erasure
            events_hold_nothing_personal
            what_is_committed_after_a_position_is_told
            what_was_committed_before_a_position_is_not_told
            a_write_that_changed_nothing_is_not_told
            an_erasure_is_told_with_a_version_above_all_others
            a_walk_of_questions_tells_every_racing_write
            an_unknown_position_is_answered_as_incomplete_with_the_position_now
        }
        $crate::store_contract! { @port retention, $make;
            a_user_deleted_for_30_days_is_erased_and_no_sooner
            an_expired_user_leaves_nothing_but_events_and_a_resting_name
            only_the_deleted_are_named_and_erased
            expired_users_are_named_longest_deleted_first_batch_by_batch
            a_user_restored_since_it_was_named_is_kept
            a_user_deleted_again_has_its_30_days_again
            of_racing_purges_one_erases_the_user
            restorations_that_race_a_purge_bring_back_whom_they_say
            an_event_is_kept_for_30_days
            an_idempotency_key_is_kept_for_24_hours
            a_name_is_kept_for_90_days
            nothing_is_removed_twice_by_racing_purges
            a_batch_has_an_end_and_tells_that_there_is_more
            a_key_used_again_is_not_purged_with_its_first_use
            a_name_given_up_again_is_not_purged_with_its_first_rest
            a_position_before_purged_events_is_answered_as_incomplete
            a_log_goes_on_from_where_it_was_though_all_its_events_were_purged
        }
    };
    (@port $port:ident, $make:expr; $($promise:ident)*) => {
        mod $port {
            #[allow(unused_imports, clippy::allow_attributes, reason = "the expression may need none of it")]
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $promise() {
                    let tried = $make.await;
                    $crate::test_support::contracts::$port::$promise(tried.as_ref()).await;
                }
            )*
        }
    };
}

/// Makes a test of each promise of [`UserImport`](crate::ports::UserImport), its name the promise, in a module
/// `user_import`.
///
/// Takes an expression whose future gives something that is an
/// [`ImportUnderTest`](crate::test_support::contracts::ImportUnderTest) by `AsRef`: an empty store, read without a
/// cache. The expression is evaluated once for each test, as [`store_contract!`](crate::store_contract) does it.
#[macro_export]
macro_rules! import_contract {
    ($make:expr) => {
        $crate::store_contract! { @port user_import, $make;
            an_imported_user_is_the_one_that_the_domain_makes
            an_import_done_again_changes_nothing_and_tells_nothing
            an_import_finds_its_user_by_each_key
            an_import_changes_what_differs_with_one_event
            an_import_keeps_the_id_and_the_past_of_who_is_there
            keys_of_two_users_are_refused
            a_refused_record_takes_no_other_along
            a_later_record_of_a_batch_sees_the_earlier
            a_look_alike_of_a_name_is_refused
            a_resting_name_is_refused_but_to_who_gave_it_up
            a_name_given_up_by_an_import_rests
            an_erased_id_is_refused
            a_deleted_user_is_brought_back_only_by_a_record_that_says_so
            a_deletion_is_imported
            a_rehearsal_tells_what_an_import_does_and_writes_nothing
            five_hundred_records_are_imported_at_once
            values_swapped_within_a_batch_are_refused_and_not_lost
            racing_imports_of_one_batch_make_each_user_once
            an_import_that_races_changes_loses_none
        }
    };
}

/// Makes a test of each promise of [`Credentials`](crate::ports::Credentials) and
/// [`LoginAttempts`](crate::ports::LoginAttempts), its name the promise, in a module `credentials`.
///
/// Takes an expression whose future gives something that is a
/// [`CredentialsUnderTest`](crate::test_support::contracts::CredentialsUnderTest) by `AsRef`: an empty store, read
/// without a cache. The expression is evaluated once for each test, as [`store_contract!`](crate::store_contract) does
/// it.
#[macro_export]
macro_rules! credentials_contract {
    ($make:expr) => {
        $crate::store_contract! { @port credentials, $make;
            a_user_may_be_added_with_a_password
            a_password_is_set_and_removed_with_its_user
            a_refused_or_repeated_password_is_not_stored
            a_password_goes_and_comes_with_its_user
            a_hash_is_renewed_unless_it_has_changed
            racing_passwords_leave_the_one_of_the_last_version
            an_import_takes_passwords_over_until_they_are_used
            a_password_changed_elsewhere_is_imported_again
            failures_are_counted_as_the_domain_counts_them
            the_failures_of_accounts_and_sources_do_not_meet
            racing_failures_are_all_counted
            what_is_remembered_of_a_user_is_seen_and_cleared
            a_known_source_outlives_a_clearing
            an_erased_user_leaves_no_failures
            turns_are_given_and_given_back
            what_is_over_its_time_is_purged
        }
    };
}

/// Makes a test of each promise of [`Relationships`](crate::ports::Relationships) and
/// [`RelationshipUpkeep`](crate::ports::RelationshipUpkeep), its name the promise, in a module `relationships`.
///
/// Takes an expression whose future gives something that is a
/// [`RelationshipsUnderTest`](crate::test_support::contracts::RelationshipsUnderTest) by `AsRef`: an empty store. The
/// expression is evaluated once for each test, as [`store_contract!`](crate::store_contract) does it.
#[macro_export]
macro_rules! relationships_contract {
    ($make:expr) => {
        $crate::store_contract! { @port relationships, $make;
            a_follow_done_again_changes_nothing
            an_unfollow_ends_one_follow_and_done_again_changes_nothing
            a_relationship_with_nobody_finds_nobody
            a_suspended_user_is_counted_from_its_activation_on
            a_follow_changes_no_user
            an_expected_version_is_not_looked_at
            many_follows_have_an_outcome_each_in_order
            a_thousand_follows_are_done_at_once
            a_block_ends_the_follows_both_ways_and_forbids_new_ones
            who_is_blocked_may_do_nothing_to_who_blocks_it
            an_unblock_brings_no_follow_back_and_allows_new_ones
            a_user_is_changed_where_it_begins_and_ceases_to_block
            a_block_outlives_the_suspension_and_the_deletion_of_both
            blocks_are_listed_the_newest_first
            ties_come_in_the_order_of_the_others_with_duplicates_and_gaps
            who_blocks_a_user_is_nobody_to_its_own_eyes
            ties_outlive_a_suspension_and_come_back_with_a_restoration
            a_block_hides_each_from_the_other
            two_hundred_others_are_answered_for_at_once
            lists_come_newest_first_with_ties_by_id
            the_last_page_of_a_list_has_no_next_position_even_when_it_is_full
            the_next_position_of_a_list_looks_at_who_is_shown
            a_page_of_a_list_begins_behind_its_position_though_nobody_is_there
            a_walk_sees_each_lasting_relationship_exactly_once_while_others_come_and_go
            lists_leave_out_who_is_not_active
            a_viewer_sees_nobody_in_lists_who_blocks_it_or_whom_it_blocks
            the_users_of_a_list_are_whole
            counts_equal_the_lists_whoever_comes_and_goes
            counts_are_right_though_a_user_changes_between_settlings
            a_user_of_many_relationships_is_settled_batch_by_batch
            an_imported_deletion_or_restoration_is_counted
            an_erased_user_has_and_is_nothing_to_anybody
            an_expired_user_is_nothing_to_anybody
            counts_come_in_the_order_of_the_users
            upkeep_of_what_is_right_changes_nothing
            a_change_under_one_key_happens_once
            a_repetition_of_what_changed_no_relationship_is_a_repetition
            a_key_of_another_request_is_refused
            a_refused_relationship_leaves_no_record
            each_change_of_a_relationship_is_told_once
            an_event_of_a_relationship_is_kept_for_30_days
            relationships_are_told_as_no_changes_of_users
            many_follows_push_no_change_of_a_user_out_of_the_log
        }
    };
}

/// Makes a test of each promise of [`UserCache`](crate::ports::UserCache), its name the promise, in a module
/// `user_cache`.
///
/// Takes an expression whose future gives something that is a
/// [`CacheUnderTest`](crate::test_support::contracts::CacheUnderTest) by `AsRef`: an empty cache, ready to be asked,
/// which lives until the test ends. The expression is evaluated once for each test, inside a multi-threaded tokio
/// runtime; the crate that calls needs tokio with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! cache_contract {
    ($make:expr) => {
        $crate::store_contract! { @port user_cache, $make;
            who_was_never_seen_is_a_miss
            a_fill_is_a_hit_afterwards
            a_put_is_a_hit_afterwards
            an_absence_is_remembered
            an_absence_ends_when_the_user_is_put
            an_absence_ends_when_the_user_is_noticed
            a_notice_of_a_newer_version_drops_the_older
            a_notice_of_an_older_version_keeps_the_newer
            a_newer_fill_replaces_what_is_older
            an_older_fill_never_replaces_what_is_newer
            who_was_forgotten_is_a_miss_and_may_be_filled_anew
            users_do_not_meet
            answers_come_in_the_order_of_the_ids
            five_hundred_ids_are_looked_up_at_once
            hints_lead_to_who_was_filled_noticed_or_put
            a_hint_follows_a_change_of_name
            a_put_voids_the_leases_taken_before_it
            a_put_voids_a_lease_under_which_nobody_was_found
            a_notice_voids_the_leases_of_what_is_older
            forgetting_voids_the_leases_taken_before_it
            a_put_after_the_put_of_a_later_write_is_not_kept
            a_put_after_the_put_of_an_earlier_write_leaves_nothing_older
            a_put_after_the_user_was_forgotten_is_not_kept
            a_dropped_lease_lets_the_next_reader_have_one
            a_write_that_gives_its_lease_back_voids_nothing
            who_waits_for_another_reader_gets_its_answer
            who_waits_for_a_reader_that_gives_up_is_told_so
            who_comes_after_a_write_does_not_wait_for_a_reader_from_before
            racing_fills_and_puts_leave_the_newest_or_nothing
            readers_that_race_an_erasure_bring_nobody_back
        }
    };
}
