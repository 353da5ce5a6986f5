//! Stories about the store: each is played on a SQLite file, on SQLite in memory and, when `MUSTER_TEST_POSTGRES_URL` names
//! a superuser of a server, on PostgreSQL.

mod access;
mod directory;
mod engine;
mod settings;
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
    access::the_last_active_owner_stays,
    access::the_database_itself_keeps_the_last_owner,
    access::access_taken_by_hand_comes_back_by_hand,
    access::okta_decides_about_whom_it_feeds,
    access::a_return_after_long_is_confirmed_once,
    access::a_pairing_makes_the_person_due_again,
}
