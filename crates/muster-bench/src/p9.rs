//! P9: sign-ins with Okta, one after the other, with the identity provider's time taken out.
//!
//! A sign-in is two calls of Muster: away to Okta, and back with a code, which Muster exchanges at Okta before it answers. That exchange is
//! made directly too, in turn, and its time is the floor that is taken off.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;

use crate::http::Line;
use crate::measure::now;
use crate::peers::Simulator;
use crate::report::{Goal, Report};
use crate::service::{Service, Stage};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// People, each of whom signs in once a round.
    #[arg(long, default_value_t = 300)]
    people: u64,
    /// How often each is measured, in turn.
    #[arg(long, default_value_t = 5)]
    times: usize,
    /// An empty PostgreSQL database in place of SQLite.
    #[arg(long)]
    postgres: Option<String>,
    /// One JSON object in place of rows.
    #[arg(long)]
    json: bool,
}

const HOST: &str = "acme.bench.example";
const BACK: &str = "https%3A%2F%2Facme.bench.example%2Fusers%2Fauth%2Fokta%2Fcallback";
/// The pair of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Ten times the sequential sign-ins a second of the peer, Ory Polis, in memory (67) and on PostgreSQL (29).
const GOAL: (f64, f64) = (670.0, 290.0);

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let place = if options.postgres.is_some() { "PostgreSQL" } else { "SQLite" };
    let title = format!("P9: {} sign-ins one after the other, on {place}", options.people);
    let mut report = Report::new(options.json, &title);
    let simulator = Simulator::start(options.people)?;
    let mut stage = Stage::new(None, options.postgres.as_deref(), 1).await?;
    let tenant = stage.tenant("acme", Some(&simulator)).await?;
    let app = json!({ "redirect_uris": [format!("https://{HOST}/users/auth/okta/callback")] });
    simulator.admin("PUT", "app", &app).await?;
    stage.ask_for_run(tenant).await?;
    let service = Service::start(&stage, &[&simulator])?;
    stage.quiet(Duration::from_mins(2)).await?;
    let people = stage.people(tenant).await?;
    ensure!(!people.is_empty(), "nobody is here");
    let mut okta = Okta { line: Line::open(simulator.at()?).await?, at: simulator.at()? };
    let mut sessions = Vec::new();
    for person in &people {
        // Some of the simulator's people may not sign in there: locked out, or not activated yet.
        sessions.extend(okta.session(person).await?);
    }
    ensure!(!sessions.is_empty(), "nobody can sign in");
    let mut muster = Line::open(service.public).await?;
    let (mut own, mut floor, mut rate) = (vec![], vec![], vec![]);
    for round in 0..=options.times {
        let (mut exchange, mut whole) = (Duration::ZERO, Duration::ZERO);
        for session in &sessions {
            exchange += okta.direct(session, &simulator).await?;
            whole += through(&mut muster, &mut okta, session).await?;
        }
        // The first round warms both.
        if round == 0 {
            continue;
        }
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        let each = |time: Duration| time.as_secs_f64() / sessions.len() as f64;
        own.push((each(whole) - each(exchange)) * 1e3);
        floor.push(each(exchange) * 1e3);
        rate.push(1.0 / (each(whole) - each(exchange)));
    }
    let warnings = service.warnings();
    ensure!(warnings.is_empty(), "the service warned: {warnings:?}");
    report.add("floor: the exchange of a code at the simulator, directly", "ms", floor, Goal::None);
    report.add("a sign-in, without that", "ms", own, Goal::None);
    let goal = if options.postgres.is_some() { GOAL.1 } else { GOAL.0 };
    report.add("sign-ins a second, without that", "/s", rate, Goal::AtLeast(goal));
    report.tell();
    Ok(())
}

/// One sign-in through Muster; gives the time of its two calls.
async fn through(muster: &mut Line, okta: &mut Okta, session: &str) -> anyhow::Result<Duration> {
    let call = format!("GET /users/auth/okta HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    let begun = now();
    let answer = muster.call(call.as_bytes()).await?;
    let mut time = begun.elapsed();
    ensure!(answer.status == 303, "away to Okta: {}", answer.status);
    let to = answer.header("location").next().context("nowhere to go")?.to_owned();
    let cookies: Vec<&str> =
        answer.header("set-cookie").filter_map(|line| line.split(';').next()).collect();
    let cookies = cookies.join("; ");
    let path = to.splitn(4, '/').nth(3).context("no path")?;
    let back = okta.authorize(&format!("/{path}"), session).await?;
    let path = back.strip_prefix(&format!("https://{HOST}")).context("elsewhere")?;
    let call = format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\ncookie: {cookies}\r\n\r\n");
    let begun = now();
    let answer = muster.call(call.as_bytes()).await?;
    time += begun.elapsed();
    let is_in = answer.header("set-cookie").any(|line| line.starts_with("__Host-muster="));
    ensure!(answer.status == 303 && is_in, "back from Okta: {}", answer.status);
    Ok(time)
}

/// The simulator's pages for people.
struct Okta {
    line: Line,
    at: SocketAddr,
}

impl Okta {
    /// Signs somebody in at the simulator; gives the cookie, if they may.
    async fn session(&mut self, person: &str) -> anyhow::Result<Option<String>> {
        let body = format!("who={person}&fromURI=%2Fapp%2FUserHome");
        let call = format!(
            "POST /login HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            self.at,
            body.len()
        );
        let answer = self.line.call(call.as_bytes()).await?;
        let cookie = answer.header("set-cookie").next().and_then(|line| line.split(';').next());
        Ok(cookie.map(str::to_owned))
    }

    /// Asks for a code in that session; gives where it leads.
    async fn authorize(&mut self, path: &str, session: &str) -> anyhow::Result<String> {
        let call = format!("GET {path} HTTP/1.1\r\nhost: {}\r\ncookie: {session}\r\n\r\n", self.at);
        let answer = self.line.call(call.as_bytes()).await?;
        answer.header("location").next().map(str::to_owned).context("no way back")
    }

    /// Gets a code and exchanges it directly; gives the time of the exchange.
    async fn direct(&mut self, session: &str, of: &Simulator) -> anyhow::Result<Duration> {
        let path = format!(
            "/oauth2/v1/authorize?response_type=code&client_id={}&redirect_uri={BACK}&scope=openid%20profile%20email&state=s&nonce=n\
             &code_challenge={CHALLENGE}&code_challenge_method=S256",
            of.app_id
        );
        let back = self.authorize(&path, session).await?;
        let code = back.split(['?', '&']).find_map(|pair| pair.strip_prefix("code="));
        let code = code.context("no code")?;
        let body = format!(
            "grant_type=authorization_code&code={code}&redirect_uri={BACK}&code_verifier={VERIFIER}&client_id={}&client_secret={}",
            of.app_id, of.secret
        );
        let call = format!(
            "POST /oauth2/v1/token HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            self.at,
            body.len()
        );
        let begun = now();
        let answer = self.line.call(call.as_bytes()).await?;
        let time = begun.elapsed();
        ensure!(answer.status == 200, "the exchange: {}", answer.status);
        Ok(time)
    }
}
