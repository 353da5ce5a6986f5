//! The last active owner and break-glass accounts stay, whatever Okta says.

use muster_core::person::{Role, Status, StatusReason};
use muster_core::problem::ProblemCode::LastOwnerKept;
use muster_core::run::RunState;
use muster_oktasim::Action;
use muster_store::people::PersonKey;

use crate::support::{ANA, Ground, OLGA, Stand, on_both_engines, problem, standing};

on_both_engines! {
    the_last_owner_stays_whatever_okta_says,
    of_two_owners_who_leave_at_once_one_stays,
    an_owner_among_others_leaves_like_anyone,
    a_break_glass_account_stays,
    the_last_owner_stays_in_an_approval,
}

type Leave = fn(String) -> Action;

const LEAVE: [(&str, Leave); 4] = [
    ("unassigned", |who| Action::Unassign { who, app: None }),
    ("suspended", |who| Action::Suspend { who }),
    ("deactivated", |who| Action::Deactivate { who }),
    ("deleted", |who| Action::Delete { who }),
];

/// Makes these people, whom Okta feeds, the only owners.
async fn make_owners(stand: &mut Stand, who: &[String]) {
    for who in who {
        let email = stand.here(who).await.email;
        stand.set_role(&email, Role::Owner).await;
    }
    stand.set_role(OLGA, Role::Learner).await;
}

async fn the_last_owner_stays_whatever_okta_says(ground: &Ground) {
    for (name, leave) in LEAVE {
        let mut stand = Stand::synced(ground, 30).await;
        let who = stand.assigned()[4].clone();
        let (owner, id) = (stand.here(&who).await, stand.okta_id(&who));
        make_owners(&mut stand, std::slice::from_ref(&who)).await;
        stand.act(&leave(who.clone()));
        for round in 0..3 {
            let run = stand.sync().await;
            assert_eq!(
                (run.state, run.counts.deactivated),
                (RunState::Done, 0),
                "{name} {round}: {run:?}"
            );
            let told =
                problem(&run, LastOwnerKept).unwrap_or_else(|| panic!("{name} {round}: {run:?}"));
            assert!(told.people == 1 && told.hint.contains(&owner.email), "{name}: {told:?}");
            let kept = stand.here(&id).await;
            assert_eq!((kept.status, kept.role), (Status::Active, Role::Owner), "{name} {round}");
        }
        // As soon as somebody else is owner too, the next run lets them go.
        stand.set_role(OLGA, Role::Owner).await;
        let run = stand.sync().await;
        assert_eq!(run.counts.deactivated, 1, "{name}: {run:?}");
        assert!(problem(&run, LastOwnerKept).is_none(), "{name}: {run:?}");
        assert_eq!(stand.here(&id).await.status, Status::Deactivated, "{name}");
    }
}

async fn of_two_owners_who_leave_at_once_one_stays(ground: &Ground) {
    for (first, leave_first) in LEAVE {
        for (second, leave_second) in LEAVE {
            let case = format!("one {first}, the other {second}");
            let mut stand = Stand::synced(ground, 30).await;
            let people = stand.assigned();
            let owners = [people[4].clone(), people[9].clone()];
            let ids = [stand.okta_id(&owners[0]), stand.okta_id(&owners[1])];
            make_owners(&mut stand, &owners).await;
            stand.act(&leave_first(owners[0].clone()));
            stand.act(&leave_second(owners[1].clone()));
            for round in 0..2 {
                let run = stand.sync().await;
                assert_eq!(run.state, RunState::Done, "{case}: {run:?}");
                assert_eq!(run.counts.deactivated, u64::from(round == 0), "{case}: {run:?}");
                assert_eq!(
                    problem(&run, LastOwnerKept).expect("told").people,
                    1,
                    "{case}: {run:?}"
                );
                let mut active = 0;
                for id in &ids {
                    active += u64::from(stand.here(id).await.status == Status::Active);
                }
                assert_eq!(active, 1, "{case}");
            }
        }
    }
}

async fn an_owner_among_others_leaves_like_anyone(ground: &Ground) {
    for (name, leave) in LEAVE {
        let mut stand = Stand::synced(ground, 30).await;
        let who = stand.assigned()[4].clone();
        let (email, id) = (stand.here(&who).await.email, stand.okta_id(&who));
        stand.set_role(&email, Role::Owner).await;
        stand.act(&leave(who.clone()));
        let run = stand.sync().await;
        assert_eq!((run.state, run.counts.deactivated), (RunState::Done, 1), "{name}: {run:?}");
        let gone = stand.here(&id).await;
        assert_eq!(
            (gone.status, gone.role),
            (Status::Deactivated, Role::Owner),
            "{name}: the role is kept"
        );
        let olga = stand.account(OLGA).await.expect("the first owner");
        assert_eq!(standing(&olga), (Status::Active, StatusReason::Unmanaged));
    }
}

async fn a_break_glass_account_stays(ground: &Ground) {
    for (name, leave) in LEAVE {
        let mut stand = Stand::synced(ground, 30).await;
        let who = stand.assigned()[4].clone();
        let (person, id) = (stand.here(&who).await, stand.okta_id(&who));
        let (key, now) = (PersonKey::Id(person.id), stand.now());
        stand.tenant.set_protected(&key, true, ANA, &mut stand.ids, now).await.expect("protected");
        stand.act(&leave(who.clone()));
        for _ in 0..2 {
            let run = stand.sync().await;
            assert_eq!((run.state, run.counts.deactivated), (RunState::Done, 0), "{name}: {run:?}");
            assert!(problem(&run, LastOwnerKept).is_some(), "{name}: {run:?}");
            assert_eq!(stand.here(&id).await.status, Status::Active, "{name}");
        }
        stand
            .tenant
            .set_protected(&key, false, ANA, &mut stand.ids, now)
            .await
            .expect("not any more");
        assert_eq!(stand.sync().await.counts.deactivated, 1, "{name}");
    }
}

async fn the_last_owner_stays_in_an_approval(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let everybody = stand.assigned();
    make_owners(&mut stand, &everybody[4..5]).await;
    for who in &everybody {
        stand.act(&Action::Unassign { who: who.clone(), app: None });
    }
    let held = stand.sync().await;
    assert_eq!((held.state, held.counts.held), (RunState::Held, 30), "{held:?}");
    let run = stand.approve(held.id).await.expect("approved");
    assert_eq!((run.state, run.counts.deactivated), (RunState::Done, 29), "{run:?}");
    assert!(problem(&run, LastOwnerKept).is_some());
    let left = stand.with_access().await;
    assert_eq!(
        left.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>(),
        [stand.okta_id(&everybody[4])]
    );
}
