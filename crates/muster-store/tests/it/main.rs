//! Stories about the store: each is played on a SQLite file, on SQLite in memory and, when `MUSTER_TEST_POSTGRES_URL` names
//! a superuser of a server, on PostgreSQL.

mod access;
mod alarms;
mod clock;
mod directory;
mod engine;
mod events;
mod hooks;
mod jobs;
mod settings;
mod sign_in;
mod world;

macro_rules! stories {
    ($($file:ident::$story:ident,)*) => {
        stories!(@ sqlite_file File $($file::$story,)*);
        stories!(@ sqlite_memory Memory $($file::$story,)*);
        stories!(@ postgres Postgres $($file::$story,)*);
    };
    (@ $module:ident $engine:ident $($file:ident::$story:ident,)*) => {
        mod $module { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                fn story(world: &mut crate::world::World) -> crate::world::Told<'_> {
                    Box::pin(crate::$file::$story(world))
                }
                crate::world::play(crate::world::Engine::$engine, stringify!($story), story).await;
            }
        )* }
    };
}

stories! {
    engine::every_kind_of_value_comes_back,
    engine::many_rows_are_written_with_few_statements,
    engine::lists_of_values_find_and_set,
    engine::a_dropped_change_leaves_nothing,
    engine::changes_at_once_leave_no_gap_in_the_history,
    engine::a_cancelled_begin_harms_nobody,
    engine::a_full_disk_is_no_end,
    engine::the_server_has_a_clock,
    engine::a_new_file_is_for_its_owner_only,
    engine::opening_twice_at_once_is_safe,
    engine::a_newer_database_is_refused,
    engine::a_database_of_something_else_is_refused,
    settings::another_master_key_is_refused_and_changes_nothing,
    settings::a_master_key_can_be_renewed,
    settings::a_tenant_begins_with_rules_and_an_owner,
    settings::the_switch_is_turned_once,
    settings::rules_are_replaced_and_kept,
    settings::secrets_open_for_their_host_only,
    settings::another_host_needs_the_secrets_again,
    settings::attention_is_noted_and_seen_to,
    directory::people_are_found_listed_and_counted,
    directory::an_import_is_all_or_nothing,
    directory::a_run_never_changes_what_is_set_by_hand,
    directory::an_address_belongs_to_one_person,
    directory::teams_and_locations_are_one_for_each_name,
    directory::secondary_teams_and_team_managers,
    directory::the_effective_manager_is_shown,
    directory::tenants_do_not_see_each_other,
    alarms::an_alarm_is_raised_once_seen_and_ends,
    alarms::several_processes_raise_one_alarm,
    alarms::a_mail_is_sent_by_one_and_tried_again,
    alarms::owners_and_admins_are_told,
    alarms::the_facts_of_all_tenants_at_once,
    alarms::what_the_hook_should_have_brought,
    clock::the_past_of_a_tenant,
    clock::a_moment_has_one_run,
    clock::a_run_under_a_wrong_clock_tells_nothing,
    clock::a_tick_fires_once_for_its_moment,
    clock::people_whose_day_has_come,
    clock::okta_answers_and_does_not,
    sign_in::a_session_lasts_until_it_is_ended,
    sign_in::whoever_loses_access_is_out_at_once,
    sign_in::a_link_sets_a_password_once,
    sign_in::a_second_factor_counts_once_confirmed,
    sign_in::only_okta_never_locks_the_last_owner_out,
    sign_in::switching_okta_off_lets_people_in_by_other_ways,
    access::the_last_active_owner_stays,
    access::the_database_itself_keeps_the_last_owner,
    access::access_taken_by_hand_comes_back_by_hand,
    access::okta_decides_about_whom_it_feeds,
    access::a_return_after_long_is_confirmed_once,
    access::a_pairing_makes_the_person_due_again,
    hooks::a_look_at_the_door_is_of_one_moment,
    hooks::a_rotated_secret_counts_until_its_end,
    hooks::the_door_knows_at_once_what_changed,
    hooks::the_groups_of_the_app_are_those_last_read,
    hooks::what_cannot_be_read_is_kept_and_makes_a_full_run_due,
    hooks::knocks_are_noted,
    events::a_delivery_is_stored_once_with_its_work,
    events::deliveries_of_many_tenants_are_stored_together,
    events::a_changed_door_lets_nothing_in,
    events::several_sorters_sort_each_call_once,
    events::calls_that_cannot_be_read_are_left_and_hold_up_nobody,
    events::nobody_who_changes_a_tenant_is_waited_for,
    events::the_log_asks_for_what_no_hook_brought,
    events::what_is_applied_is_marked_up_to_the_read,
    events::old_events_go_once_nothing_needs_them,
    events::the_cursor_of_the_log_is_kept,
    jobs::asking_twice_is_asking_once,
    jobs::the_most_urgent_come_first,
    jobs::a_taken_job_that_is_asked_for_again_waits_again,
    jobs::a_failed_job_waits_aside,
    jobs::what_is_given_up_is_seen_and_tried_again,
    jobs::misc_jobs_are_worked_on_one_by_one,
    jobs::a_dead_workers_job_is_taken_over,
    jobs::jobs_of_kinds_nobody_knows_are_left_alone,
    jobs::tenants_with_work_are_those_that_are_due_and_free,
    jobs::many_askers_and_takers_at_once_lose_nothing,
}
