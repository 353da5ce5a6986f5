//! What seeds found, told in short.

use muster_core::person::Status;
use muster_core::run::RunState;
use muster_oktasim::Action;
use serde_json::json;

use crate::support::{Company, Ground, Stand, on_both_engines};

on_both_engines! {
    whoever_loses_access_keeps_their_address_for_one_run,
    an_address_is_not_lost_while_a_removal_waits,
    whoever_lost_access_while_sharing_an_address_is_looked_at_again,
}

async fn whoever_loses_access_keeps_their_address_for_one_run(ground: &Ground) {
    let mut stand = Stand::synced(ground, 40).await;
    let (leaver, heir) = (stand.assigned()[3].clone(), stand.assigned()[9].clone());
    let (address, old) = (stand.here(&leaver).await.email, stand.here(&heir).await.email);
    stand.update(&leaver, json!({ "email": "left@fernhill.example" }));
    stand.update(&heir, json!({ "email": address.clone() }));
    stand.act(&Action::Suspend { who: leaver.clone() });
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.deactivated), (RunState::Done, 1), "{run:?}");
    let gone = stand.here(&leaver).await;
    assert_eq!((gone.status, gone.email), (Status::Deactivated, address.clone()));
    assert_eq!(stand.here(&heir).await.email, old);
    stand.sync().await;
    assert_eq!(stand.here(&leaver).await.email, "left@fernhill.example");
    assert_eq!(stand.here(&heir).await.email, address);
}

async fn an_address_is_not_lost_while_a_removal_waits(ground: &Ground) {
    let rules = "email_domains = [\"fernhill.example\"]\nguard = { people = 0, percent = 1 }\n";
    let mut stand = Stand::synced_company(ground, Company::of(40).ruled(rules)).await;
    let (leaver, other) = (stand.assigned()[3].clone(), stand.assigned()[9].clone());
    let (first, second) = (stand.here(&leaver).await.email, stand.here(&other).await.email);
    // They swap, and one of them is to lose access.
    stand.update(&leaver, json!({ "email": second.clone() }));
    stand.update(&other, json!({ "email": first.clone() }));
    stand.act(&Action::Suspend { who: leaver.clone() });
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.held), (RunState::Held, 1), "{run:?}");
    for (who, email) in [(&leaver, &first), (&other, &second)] {
        assert_eq!(stand.here(who).await.email, *email);
        let key = muster_store::people::PersonKey::Email(email.to_lowercase());
        let found = stand.tenant.find_person(&key).await.expect("a database");
        assert!(found.is_some(), "nobody is found by {email}");
    }
    stand.approve(run.id).await.expect("approved");
    stand.sync().await;
    assert_eq!(stand.here(&leaver).await.email, second);
    assert_eq!(stand.here(&other).await.email, first);
}

async fn whoever_lost_access_while_sharing_an_address_is_looked_at_again(ground: &Ground) {
    let mut stand = Stand::synced(ground, 40).await;
    let (leaver, other) = (stand.assigned()[3].clone(), stand.assigned()[9].clone());
    let address = stand.here(&other).await.email;
    stand.update(&leaver, json!({ "email": address.clone() }));
    stand.act(&Action::Suspend { who: leaver.clone() });
    stand.sync().await;
    assert_ne!(stand.here(&leaver).await.email, address);
    stand.update(&other, json!({ "email": "moved@fernhill.example" }));
    stand.sync().await;
    assert_eq!(stand.here(&leaver).await.email, address);
}
