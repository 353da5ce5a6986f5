//! Okta refuses the credentials, the rights or the app.

use muster_core::problem::ProblemCode::{
    self, AppInactive, AppNotFound, FederationBrokerMode, RightsMissing, TokenRefused,
};
use muster_core::run::RunState;
use muster_oktasim::{Action, AppChange, Area, Fault, Right, Rule, TokenState};
use muster_server::cli::Exit;

use super::{FIRST, LAST, Leavers, MIDDLE, company, fail, is_incomplete, mend, promote};
use crate::support::{Ground, Stand, on_both_engines, problem};

on_both_engines! {
    a_refused_token_fails_the_run_and_changes_nobody,
    a_lost_right_fails_the_run_and_changes_nobody,
    an_app_that_cannot_be_read_as_an_app_removes_nobody,
}

/// The run failed for this cause, and the connection asks for a person until a run works again.
async fn has_failed(stand: &mut Stand, case: &str, code: ProblemCode, exit: Exit) {
    let before = stand.tables.dump("people").await;
    let run = stand.sync().await;
    assert_eq!((run.state, Exit::of_run(&run)), (RunState::Failed, exit), "{case}: {run:?}");
    let told = problem(&run, code).unwrap_or_else(|| panic!("{case}: {run:?}"));
    assert!(
        told.hint.contains("Nobody has been deactivated") || code == AppNotFound,
        "{case}: {}",
        told.hint
    );
    assert_eq!(stand.tables.dump("people").await, before, "{case}: nobody was changed");
    let connection = stand.tenant.connection().await.expect("a connection");
    assert_eq!(connection.attention.as_deref(), Some(code.name()), "{case}");
}

async fn recovers(stand: &mut Stand, leavers: Leavers) {
    leavers.are_all_who_go(stand).await;
    let connection = stand.tenant.connection().await.expect("a connection");
    assert_eq!(connection.attention, None);
}

async fn a_refused_token_fails_the_run_and_changes_nobody(ground: &Ground) {
    let mut stand = company(ground).await;
    let leavers = Leavers::leave(&stand);
    promote(&stand, &stand.assigned()[0], "Early Bird");
    for page in [FIRST, 2, MIDDLE, LAST] {
        fail(&stand, Rule::on_app_users().page(page).fault(Fault::Status(401)));
        has_failed(&mut stand, &format!("401 at page {page}"), TokenRefused, Exit::Refused).await;
        mend(&stand);
    }
    stand.okta.set_token_state(TokenState::Revoked);
    has_failed(&mut stand, "revoked", TokenRefused, Exit::Refused).await;
    stand.okta.set_token_state(TokenState::Ok);
    // After the listing was read, while people who are missing from it are asked for by id.
    fail(&stand, Rule::on("/api/v1/users/").nth(2).fault(Fault::Status(401)));
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.deactivated), (RunState::Failed, 0), "{run:?}");
    assert!(problem(&run, TokenRefused).is_some());
    mend(&stand);
    recovers(&mut stand, leavers).await;
}

async fn a_lost_right_fails_the_run_and_changes_nobody(ground: &Ground) {
    let mut stand = company(ground).await;
    let leavers = Leavers::leave(&stand);
    for page in [FIRST, 2, MIDDLE, LAST] {
        fail(&stand, Rule::on_app_users().page(page).fault(Fault::Status(403)));
        has_failed(&mut stand, &format!("403 at page {page}"), RightsMissing, Exit::Refused).await;
        mend(&stand);
    }
    // An admin who lost the role sees empty lists, and 403 for anything single.
    stand.okta.set_token_state(TokenState::NoRole);
    has_failed(&mut stand, "no role", RightsMissing, Exit::Refused).await;
    stand.okta.set_token_state(TokenState::Ok);
    for area in [Area::Apps, Area::Users] {
        stand.okta.set_right(area, Right::None);
        has_failed(&mut stand, &format!("no right to read {area:?}"), RightsMissing, Exit::Refused)
            .await;
        stand.okta.set_right(area, Right::Read);
    }
    recovers(&mut stand, leavers).await;
}

async fn an_app_that_cannot_be_read_as_an_app_removes_nobody(ground: &Ground) {
    let mut stand = company(ground).await;
    let leavers = Leavers::leave(&stand);
    let before = stand.with_access().await;

    stand.act(&Action::BrokerMode { on: true });
    let run = stand.sync().await;
    is_incomplete("Federation Broker Mode", &run, FederationBrokerMode);
    assert_eq!(stand.with_access().await, before);
    stand.act(&Action::BrokerMode { on: false });

    stand.okta.change_app(AppChange { active: Some(false), ..AppChange::default() });
    let run = stand.sync().await;
    is_incomplete("an app that is not active", &run, AppInactive);
    assert_eq!(stand.with_access().await, before);
    stand.okta.change_app(AppChange { active: Some(true), ..AppChange::default() });

    fail(&stand, Rule::on("/api/v1/apps/").fault(Fault::Status(404)));
    has_failed(&mut stand, "no such app", AppNotFound, Exit::Failed).await;
    mend(&stand);
    // The listing is served, and then the app itself is gone.
    let app = stand.okta.app_id();
    fail(&stand, Rule::on(&format!("/api/v1/apps/{app}")).path_end(&app).fault(Fault::Status(404)));
    has_failed(&mut stand, "the app vanishes", AppNotFound, Exit::Failed).await;
    mend(&stand);
    recovers(&mut stand, leavers).await;
}
