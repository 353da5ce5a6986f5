//! Alarms reach people: raised once by several processes, told once by mail through a real mail server, over by themselves.

use jiff::{SignedDuration, Timestamp};
use muster_core::alarm::AlarmCode;
use muster_core::id::IdSource;
use muster_core::person::{Email, Role};
use muster_core::run::{RunKind, RunState};
use muster_oktasim::{Fault, Rule, TokenState};
use muster_server::alarms::{Ticked, tick};
use muster_server::config::SmtpUrl;
use muster_server::mail::{Letter, MailError, Mailer};
use muster_store::accounts::NewAccount;

use crate::support::{ANA, Ground, OLGA, PostOffice, Stand, on_both_engines};

on_both_engines!(
    a_refused_token_is_told_once_and_over_when_it_is_mended,
    a_day_without_a_complete_run_is_told,
    an_hour_without_okta_is_told_once,
    held_removals_are_told,
    mail_waits_for_its_server_and_goes_round_who_is_not_there,
);

const ADA: &str = "ada.admin@fernhill.example";

fn mailer(office: &PostOffice) -> Mailer {
    let url = SmtpUrl::parse(&office.url()).expect("an address");
    Mailer::new(&url, "Muster <muster@muster.example>").expect("a mailer")
}

/// A synced company with an owner and an admin.
async fn company(ground: &Ground) -> Stand {
    let mut stand = Stand::synced(ground, 40).await;
    let admin = NewAccount::new(Email::parse(ADA).expect("an address"), Role::Learner);
    let now = stand.now();
    stand.tenant.add_people(&[admin], ANA, &mut stand.ids, now).await.expect("added");
    stand.set_role(ADA, Role::Admin).await;
    stand
}

async fn look(ground: &Ground, stand: &mut Stand, office: &PostOffice) -> Ticked {
    let now = stand.now();
    tick(&ground.db, Some(&mailer(office)), &mut stand.ids, now).await.expect("a look")
}

async fn open(stand: &Stand) -> Vec<AlarmCode> {
    stand.tenant.open_alarms().await.expect("alarms").into_iter().map(|alarm| alarm.code).collect()
}

fn minutes(stand: &Stand, minutes: u64) {
    stand.clock.advance(std::time::Duration::from_mins(minutes));
}

async fn a_refused_token_is_told_once_and_over_when_it_is_mended(ground: &Ground) {
    let (mut stand, office) = (company(ground).await, PostOffice::open());
    assert_eq!(look(ground, &mut stand, &office).await, Ticked::default());
    stand.okta.set_token_state(TokenState::Revoked);
    assert_eq!(stand.sync().await.state, RunState::Failed);
    // Six processes look at once.
    let now = stand.now();
    let mut looks = tokio::task::JoinSet::new();
    for number in 0..6 {
        let (db, mailer) = (ground.db.clone(), mailer(&office));
        looks.spawn(async move {
            let mut ids = IdSource::seeded([90 + number; 32]);
            tick(&db, Some(&mailer), &mut ids, now).await.expect("a look")
        });
    }
    let looks = looks.join_all().await;
    assert_eq!(looks.iter().map(|look| look.raised).sum::<usize>(), 1, "{looks:?}");
    assert_eq!(looks.iter().map(|look| look.mailed).sum::<usize>(), 2, "{looks:?}");
    let mut letters = office.take();
    letters.sort_by(|a, b| a.to.cmp(&b.to));
    assert_eq!(letters.iter().map(|one| one.to.join(",")).collect::<Vec<_>>(), [ADA, OLGA]);
    for letter in &letters {
        assert_eq!(letter.from, "muster@muster.example");
        assert_eq!(letter.header("To"), Some(letter.to[0].as_str()));
        assert_eq!(
            letter.header("Subject"),
            Some("[Muster] Fernhill Group: Okta refuses the API token")
        );
        assert_eq!(letter.header("Auto-Submitted"), Some("auto-generated"));
        let body = letter.body();
        for text in [
            "Okta refuses the API token (E0000011), since 2026-11-23 12:00 (UTC).",
            "Nobody has been deactivated.",
            "`muster okta set company0 --api-token FILE`",
        ] {
            assert!(body.contains(text), "{text:?} is not in\n{body}");
        }
    }
    assert_ne!(letters[0].header("Message-ID"), letters[1].header("Message-ID"));
    // It lasts, and nobody is told again; refused once more, it is the same alarm.
    for _ in 0..3 {
        stand.sync().await;
        let looked = look(ground, &mut stand, &office).await;
        assert_eq!((looked.raised, looked.mailed, looked.open), (0, 0, 1));
    }
    stand.okta.set_token_state(TokenState::Ok);
    assert_eq!(stand.sync().await.state, RunState::Done);
    let looked = look(ground, &mut stand, &office).await;
    assert_eq!((looked.cleared, looked.open), (1, 0));
    assert_eq!(office.take(), []);
    // The next time is another time.
    minutes(&stand, 90);
    stand.okta.set_token_state(TokenState::Revoked);
    stand.sync().await;
    assert_eq!(look(ground, &mut stand, &office).await.mailed, 2);
}

async fn a_day_without_a_complete_run_is_told(ground: &Ground) {
    let (mut stand, office) = (company(ground).await, PostOffice::open());
    minutes(&stand, 26 * 60 - 1);
    assert_eq!(look(ground, &mut stand, &office).await, Ticked::default());
    minutes(&stand, 1);
    // Whoever just woke up has asked for the run that was missed: it is given its time.
    let run = stand.ask(RunKind::Full, None).await.expect("asked");
    assert_eq!(look(ground, &mut stand, &office).await, Ticked::default());
    minutes(&stand, 121);
    let looked = look(ground, &mut stand, &office).await;
    assert_eq!((looked.raised, looked.mailed), (1, 2));
    assert_eq!(open(&stand).await, [AlarmCode::NoCompleteRun]);
    let body = office.take().remove(0).body();
    assert!(
        body.contains("nobody has been deactivated") && body.contains("muster okta sync company0"),
        "{body}"
    );
    let done = Box::pin(stand.engine.drive(&stand.tenant, run)).await.expect("a run");
    assert_eq!(done.state, RunState::Done);
    assert_eq!(look(ground, &mut stand, &office).await.cleared, 1);
    // The vendor's switch ends whatever lasts.
    minutes(&stand, 27 * 60);
    assert_eq!(look(ground, &mut stand, &office).await.raised, 1);
    let now = stand.now();
    stand.tenant.set_okta_enabled(false, ANA, &mut stand.ids, now).await.expect("off");
    let looked = look(ground, &mut stand, &office).await;
    assert_eq!((looked.cleared, looked.open), (1, 0));
}

async fn an_hour_without_okta_is_told_once(ground: &Ground) {
    let (mut stand, office) = (company(ground).await, PostOffice::open());
    stand.okta.faults(|faults| faults.add(Rule::on("/api/v1/").fault(Fault::Status(503))));
    let down = stand.now();
    for _ in 0..4 {
        assert_eq!(stand.sync().await.state, RunState::Incomplete);
        look(ground, &mut stand, &office).await;
    }
    assert!(stand.now().duration_since(down) > SignedDuration::from_hours(3));
    assert_eq!(open(&stand).await, [AlarmCode::OktaUnreachable]);
    assert_eq!(office.take().len(), 2, "an owner and an admin, once each");
    stand.okta.faults(muster_oktasim::Faults::clear);
    assert_eq!(stand.sync().await.state, RunState::Done);
    assert_eq!(look(ground, &mut stand, &office).await.cleared, 1);
    assert_eq!(open(&stand).await, []);
    assert_eq!(office.take(), []);
}

async fn held_removals_are_told(ground: &Ground) {
    let (mut stand, office) = (company(ground).await, PostOffice::open());
    let people: Vec<_> = stand.with_access().await.into_iter().take(12).collect();
    for person in people {
        stand.act(&muster_oktasim::Action::Deactivate { who: person.to_string() });
    }
    let held = stand.sync().await;
    assert_eq!(held.state, RunState::Held);
    assert_eq!(look(ground, &mut stand, &office).await.mailed, 2);
    let body = office.take().remove(0).body().replace('\n', " ");
    assert!(body.contains("12 people") && body.contains(&held.id.to_string()), "{body}");
    assert_eq!(stand.approve(held.id).await.expect("approved").state, RunState::Done);
    assert_eq!(look(ground, &mut stand, &office).await.cleared, 1);
}

async fn mail_waits_for_its_server_and_goes_round_who_is_not_there(ground: &Ground) {
    let (mut stand, office) = (company(ground).await, PostOffice::open());
    stand.okta.set_token_state(TokenState::Revoked);
    stand.sync().await;
    // No server is configured: nothing is lost by that.
    let now = stand.now();
    let looked = tick(&ground.db, None, &mut stand.ids, now).await.expect("a look");
    assert_eq!((looked.raised, looked.mailed), (1, 0));
    office.set_down(true);
    let looked = look(ground, &mut stand, &office).await;
    assert_eq!((looked.mailed, looked.unmailed), (0, 2));
    office.set_down(false);
    // Ada's mailbox is gone for good; Olga must not wait for it.
    office.does_not_know(ADA);
    minutes(&stand, 1);
    assert_eq!(look(ground, &mut stand, &office).await.mailed, 0, "not yet");
    minutes(&stand, 1);
    let looked = look(ground, &mut stand, &office).await;
    assert_eq!((looked.mailed, looked.unmailed), (1, 1));
    assert_eq!(office.take().remove(0).to, [OLGA]);
    assert!(stand.tenant.open_alarms().await.expect("alarms")[0].mailed_at.is_some());
    minutes(&stand, 60 * 24);
    look(ground, &mut stand, &office).await;
    let again: Vec<_> =
        office.take().into_iter().filter(|one| one.body().contains("E0000011")).collect();
    assert_eq!(again, [], "told once");
}

fn letter(to: &str) -> Letter {
    Letter {
        to: to.to_owned(),
        subject: "Hello".to_owned(),
        body: "One.\n".to_owned(),
        id: "x".to_owned(),
    }
}

#[tokio::test]
async fn a_server_that_wants_a_password_gets_it_and_a_wrong_one_may_be_mended() {
    let now: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
    let office = PostOffice::open();
    office.wants("ana@acme", "s3cret/x");
    let with = |pair: &str| {
        let url = format!("smtp://{pair}127.0.0.1:{}", office.port());
        Mailer::new(&SmtpUrl::parse(&url).expect("an address"), "m@muster.example")
            .expect("a mailer")
    };
    with("ana%40acme:s3cret%2Fx@").send(&letter(OLGA), now).await.expect("sent");
    assert_eq!(office.take().remove(0).user.as_deref(), Some("ana@acme"));
    let wrong = with("ana%40acme:wr0ng@").send(&letter(OLGA), now).await.expect_err("refused");
    assert!(wrong.may_pass(), "{wrong:?}");
    let told = format!("{wrong} {wrong:?}");
    assert!(!told.contains("wr0ng"), "{told}");
    assert_eq!(office.take(), []);
}

#[tokio::test]
async fn a_server_that_is_not_there_or_speaks_no_tls_may_come_back() {
    let now: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
    let office = PostOffice::open();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    for url in [format!("smtp://{closed}"), format!("smtps://127.0.0.1:{}", office.port())] {
        let mailer = Mailer::new(&SmtpUrl::parse(&url).expect("an address"), "m@muster.example")
            .expect("a mailer");
        let error = mailer.send(&letter(OLGA), now).await.expect_err(&url);
        assert!(matches!(error, MailError::NotNow(_)), "{url}: {error:?}");
    }
    assert_eq!(office.take(), []);
}
