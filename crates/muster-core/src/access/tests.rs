use super::*;

/// As the matrix of the product is written: owner, admin, HR, manager for those they manage, learner, vendor's staff. `y` all, `o` own
/// (or those managed), `-` not.
#[rustfmt::skip]
const WRITTEN: &[(&str, &str)] = &[
    ("switch_feature",           "- - - - - y"),
    ("open_integration",         "y y - - - y"),
    ("manage_connection",        "y y - - - -"),
    ("change_rules",             "y y - - - -"),
    ("preview",                  "y y y - - y"),
    ("sync_users",               "y y - - - y"),
    ("approve_held",             "y y - - - -"),
    ("enforce_sso",              "y - - - - -"),
    ("disconnect",               "y y - - - -"),
    ("see_history",              "y y y - o y"),
    ("deactivate_by_hand",       "y y y - - -"),
    ("anonymise",                "y y - - - -"),
    ("change_roles",             "y y - - - -"),
    ("change_owner_role",        "y - - - - -"),
    ("see_directory",            "y y y o y -"),
    ("see_details",              "y y y - o -"),
    ("see_start_date",           "y y y o o -"),
    ("set_team_manager",         "y y y - - -"),
    ("set_manager_by_hand",      "y y y - - -"),
    ("see_objectives",           "y y y o o -"),
    ("create_objectives",        "y y y o o -"),
    ("see_one_to_ones",          "y y y o o -"),
    ("create_one_to_ones",       "y y y o - -"),
    ("see_others_private_notes", "- - - - - -"),
    ("see_tasks",                "y y y o o -"),
    ("set_tasks",                "y y y o o -"),
    ("use_account",              "o o o - o -"),
];

#[test]
fn every_cell_is_as_it_is_written() {
    assert_eq!(WRITTEN.len(), Action::ALL.len());
    for (word, cells) in WRITTEN {
        let action = Action::parse(word).expect(word);
        let cells: Vec<char> = cells.split(' ').filter_map(|cell| cell.chars().next()).collect();
        let roles = [Role::Owner, Role::Admin, Role::Hr, Role::Learner];
        let of_role = [cells[0], cells[1], cells[2], cells[4]];
        for (role, cell) in roles.into_iter().zip(of_role) {
            let at = |relation| allows(role, relation, action);
            assert_eq!(at(Relation::Other), cell == 'y', "{role} {word} of others");
            assert_eq!(at(Relation::Own), cell != '-', "{role} {word} of their own");
            assert_eq!(
                at(Relation::ManagerOf),
                cell == 'y' || cells[3] != '-',
                "{role} {word} of those they manage"
            );
        }
        let row = MATRIX.iter().find(|row| row.action == action).expect(word);
        assert_eq!(row.staff, cells[5] == 'y', "staff {word}");
    }
}

#[test]
fn every_action_has_one_row() {
    for action in Action::ALL {
        assert_eq!(MATRIX.iter().filter(|row| row.action == *action).count(), 1, "{action}");
    }
}

#[test]
fn only_who_is_active_enters() {
    for status in Status::ALL {
        for reason in StatusReason::ALL {
            for confirm in [false, true] {
                let may = may_enter(*status, *reason, confirm).is_ok();
                assert_eq!(
                    may,
                    *status == Status::Active && !confirm,
                    "{status} {reason} {confirm}"
                );
            }
        }
    }
}
