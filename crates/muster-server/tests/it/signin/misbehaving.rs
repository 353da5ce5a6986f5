//! A provider that misbehaves, and answers that no provider gave: nobody comes in by them, and the page and the log say why.

#[path = "misbehaving/callbacks.rs"]
mod callbacks;
#[path = "misbehaving/heard.rs"]
mod heard;
#[path = "misbehaving/rogue.rs"]
mod rogue;
#[path = "misbehaving/rows.rs"]
mod rows;

use std::sync::Arc;
use std::time::Duration;

use muster_okta::transport::{Exchange, TransportError};
use serde_json::json;

use self::callbacks::{Callback, Hands, PATH, Trip, callbacks};
use self::heard::Heard;
use self::rogue::{ACCESS_TOKEN, Bend, Endpoint, Object, Rogue, page, said};
use self::rows::{Row, provider_rows};
use crate::support::{Browser, Ground, On, Page, Site, Stand};

const SESSION: &str = "__Host-muster";
const FLOW: &str = "__Host-muster-flow-";

/// A company whose Okta is a rogue for signing in, and itself for everything else.
struct Scene {
    site: Site,
    rogue: Arc<Rogue>,
    heard: Heard,
    _ground: Ground,
}

impl Scene {
    async fn open() -> Self {
        let heard = Heard::begin();
        let ground = Ground::on(On::Sqlite).await.expect("a database");
        let stand = Stand::synced(&ground, 6).await;
        let who = stand.assigned()[0].clone();
        let rogue = Rogue::of(&stand, &who).await;
        let line: Arc<dyn Exchange> = rogue.clone();
        let site = Site::over(&ground, stand, line).await;
        Self { site, rogue, heard, _ground: ground }
    }

    /// Lets so much time pass that nothing is known any more of the provider.
    fn forget(&self) {
        self.site.clock().advance(Duration::from_hours(1));
    }

    fn wait(&self, seconds: u64) {
        self.site.clock().advance(Duration::from_secs(seconds));
    }

    /// Begins to sign in: on the way to the provider, unless it is refused before.
    async fn begin(&self, browser: &mut Browser) -> Result<Trip, Page> {
        let page = browser.get("/users/auth/okta").await;
        let Some(to) = &page.location else { return Err(page) };
        let to = url::Url::parse(to).expect("an address");
        assert_eq!(to.origin().ascii_serialization(), "https://fernhill.okta.com");
        assert_eq!(to.path(), "/oauth2/v1/authorize");
        let of = |name: &str| {
            let found = to.query_pairs().find(|(known, _)| known == name);
            found.unwrap_or_else(|| panic!("no {name}: {to}")).1.into_owned()
        };
        assert_eq!(of("code_challenge_method"), "S256");
        let (state, nonce, challenge) = (of("state"), of("nonce"), of("code_challenge"));
        let code = self.rogue.issue(&nonce, &challenge);
        let mut flows = browser.cookies.iter().filter(|(name, _)| name.starts_with(FLOW));
        let (name, sealed) = flows.next().expect("a cookie");
        let cookie = (name.clone(), sealed.clone());
        Ok(Trip { state, nonce, code, cookie })
    }

    /// Goes to the provider and back.
    async fn sign_in(&self, browser: &mut Browser) -> Page {
        match self.begin(browser).await {
            Ok(trip) => browser.get(&trip.back()).await,
            Err(page) => page,
        }
    }

    /// Goes there and back in a new browser, and must come in.
    #[track_caller]
    fn comes_in(&self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let mut browser = self.site.browser();
            let page = self.sign_in(&mut browser).await;
            assert_eq!(page.location.as_deref(), Some("/"), "{caller}: {}", page.code());
            assert_eq!(browser.get("/account").await.status, 200, "{caller}");
            assert_eq!(self.sessions().await, 1, "{caller}");
            assert_eq!(browser.post("/sign-out", &[]).await.status, 303, "{caller}");
            assert_eq!(self.sessions().await, 0, "{caller}");
        }
    }

    /// Goes there and back in a new browser, and must not come in; gives the code.
    async fn is_refused(&self) -> String {
        let mut browser = self.site.browser();
        let page = self.sign_in(&mut browser).await;
        let out = self.check_out(&mut browser).await;
        assert_eq!(out, Ok(()), "{}", page.body);
        page.code().to_owned()
    }

    async fn sessions(&self) -> usize {
        let sql = "SELECT hex(id) FROM sessions";
        self.site.stand.tables.texts(sql).await.len()
    }

    /// Whether nobody is signed in.
    async fn check_out(&self, browser: &mut Browser) -> Result<(), String> {
        // Whoever is in by one row is out before the next.
        let ended = self.site.stand.tables.execute("DELETE FROM sessions").await;
        if ended > 0 {
            return Err(format!("sessions: {ended}"));
        }
        let names: Vec<&String> = browser.cookies.keys().collect();
        if names.iter().any(|name| *name == SESSION) {
            return Err(format!("cookies: {names:?}"));
        }
        let page = browser.get("/account").await;
        if page.location.as_deref() != Some("/sign-in?return_to=%2Faccount") {
            return Err(format!("the account: {} {:?}", page.status, page.location));
        }
        Ok(())
    }

    /// Whether a page refuses as it should, the log says the same, and gives nothing away.
    async fn check(&self, wanted: &Wanted<'_>, page: &Page, browser: &mut Browser) -> Vec<String> {
        let mut wrong = Vec::new();
        let found = (page.code(), page.status);
        if found != (wanted.code, wanted.status) {
            wrong.push(format!("it says {found:?}, not {:?}", (wanted.code, wanted.status)));
        }
        if page.heading().is_empty() || !page.has(wanted.shows) {
            wrong.push(format!("the page lacks {:?}: {}", wanted.shows, page.body));
        }
        if page.has("<script>alert") || page.body.contains(&"d".repeat(301)) {
            wrong.push(format!("the page repeats what it was told: {}", page.body));
        }
        let calls = self.rogue.take_calls();
        if calls != wanted.calls {
            wrong.push(format!("it calls {calls:?}, not {:?}", wanted.calls));
        }
        let logged = self.heard.take();
        let codes: Vec<&str> = logged.refusals();
        let due: &[&str] = if wanted.code.is_empty() { &[] } else { &[wanted.code] };
        if codes != due {
            wrong.push(format!("the log says {codes:?}"));
        }
        let own = [&self.rogue.client_secret, ACCESS_TOKEN];
        let of_trips = wanted.trips.iter().flat_map(|trip| {
            [&trip.state, &trip.nonce, &trip.code, &trip.cookie.1].map(String::as_str)
        });
        for secret in own.into_iter().chain(of_trips) {
            if let Some(line) = logged.line_with(secret) {
                wrong.push(format!("the log gives {secret} away: {line}"));
            }
        }
        wrong.extend(self.check_out(browser).await.err());
        wrong
    }

    /// A provider that misbehaves, from the first click to the page that refuses.
    async fn play(&self, row: &Row) -> Vec<String> {
        self.forget();
        self.rogue.bend(row.bend);
        let mut browser = self.site.browser();
        let (page, trips) = match self.begin(&mut browser).await {
            Ok(trip) => (browser.get(&trip.back()).await, vec![trip]),
            Err(page) => (page, Vec::new()),
        };
        let Row { code, status, calls, .. } = *row;
        let wanted = Wanted { code, status, calls, shows: "", trips: &trips };
        let mut wrong = self.check(&wanted, &page, &mut browser).await;
        if browser.cookies.keys().any(|name| name.starts_with(FLOW)) {
            wrong.push("the round trip is not forgotten".to_owned());
        }
        wrong
    }

    /// An answer that is none, which never leads to an exchange.
    async fn play_callback(&self, row: &Callback) -> Vec<String> {
        self.forget();
        self.rogue.bend(Bend::Straight);
        let (mut browser, mut elsewhere) = (self.site.browser(), self.site.browser());
        let trip = self.begin(&mut browser).await.expect("begun");
        let other = self.begin(&mut elsewhere).await.expect("begun");
        let clock = self.site.clock();
        let hands = Hands { browser: &mut browser, trip: &trip, other: &other, clock };
        let to = (row.bring)(hands);
        let page = browser.get(&to).await;
        let Callback { code, status, shows, .. } = *row;
        let wanted = Wanted { code, status, calls: "D", shows, trips: &[trip, other] };
        self.check(&wanted, &page, &mut browser).await
    }
}

/// What is to come of a row.
struct Wanted<'a> {
    code: &'a str,
    status: u16,
    calls: &'a str,
    shows: &'a str,
    trips: &'a [Trip],
}

#[tokio::test]
async fn nobody_comes_in_by_a_provider_that_misbehaves() {
    let scene = Scene::open().await;
    let (providers, answers) = (provider_rows(), callbacks());
    let mut wrong = Vec::new();
    let mut note = |name: &str, found: Vec<String>| {
        wrong.extend(found.into_iter().map(|found| format!("{name}: {found}")));
    };
    for row in &providers {
        note(row.name, scene.play(row).await);
    }
    for row in &answers {
        note(row.name, scene.play_callback(row).await);
    }
    let rows = providers.len() + answers.len();
    assert!(wrong.is_empty(), "{} of {rows} rows:\n{}", wrong.len(), wrong.join("\n"));
    // None of it stays: the same person in the same company comes in as soon as all is well.
    scene.forget();
    scene.rogue.bend(Bend::Straight);
    scene.comes_in().await;
}

#[tokio::test]
async fn a_provider_that_behaves_lets_in() {
    let scene = Scene::open().await;
    scene.comes_in().await;
    assert_eq!(scene.rogue.take_calls(), "DTK");
    scene.comes_in().await;
    assert_eq!(scene.rogue.take_calls().replace('D', ""), "T", "keys are kept");
    let logged = scene.heard.take();
    assert_eq!(logged.refusals(), Vec::<&str>::new());
}

#[tokio::test]
async fn what_is_odd_and_allowed_lets_in() {
    type Change = fn(&mut Object, i64);
    type Heading = fn(&mut Object);
    let scene = Scene::open().await;
    let changes: [(&str, Change); 12] = [
        ("our clock goes ahead by 119 s", |c, now| {
            c.insert("iat".into(), json!(now - 3_600 - 119));
            c.insert("exp".into(), json!(now - 119));
        }),
        ("our clock is behind by 119 s", |c, now| {
            c.insert("iat".into(), json!(now + 119));
            c.insert("nbf".into(), json!(now + 119));
        }),
        ("nbf in the past", |c, now| drop(c.insert("nbf".into(), json!(now - 10)))),
        ("times with fractions", |c, now| {
            let now = f64::from(i32::try_from(now).expect("before 2038"));
            c.insert("iat".into(), json!(now + 0.5));
            c.insert("exp".into(), json!(now + 3_600.25));
        }),
        ("aud a list of us alone", |c, _| drop(c.insert("aud".into(), json!([c["aud"]])))),
        ("aud several, azp us", |c, _| {
            let ours = c["aud"].clone();
            c.insert("aud".into(), json!([ours, "api://default"]));
            c.insert("azp".into(), ours);
        }),
        ("azp us", |c, _| drop(c.insert("azp".into(), c["aud"].clone()))),
        ("no at_hash", |c, _| drop(c.remove("at_hash"))),
        ("no preferred_username", |c, _| drop(c.remove("preferred_username"))),
        ("claims that nobody knows", |c, _| drop(c.insert("admin".into(), json!({"all": true})))),
        ("a name of markup", |c, _| drop(c.insert("name".into(), json!("<b>\u{7}Ana</b>")))),
        ("the address of somebody else", |c, _| {
            c.insert("email".into(), json!("olga.owner@fernhill.example"));
        }),
    ];
    let headers: [(&str, Heading); 3] = [
        ("typ", |h| drop(h.insert("typ".into(), json!("JWT")))),
        ("typ in lower case", |h| drop(h.insert("typ".into(), json!("jwt")))),
        ("more in the header", |h| drop(h.insert("note".into(), json!(1)))),
    ];
    let bends = changes
        .map(|(name, change)| (name, Bend::Claims(change)))
        .into_iter()
        .chain(headers.map(|(name, change)| (name, Bend::Header(change))))
        .chain([
            ("a thin token", Bend::At(Endpoint::Userinfo, Rogue::told_of_who)),
            ("bearer", Bend::Body(|b| drop(b.insert("token_type".into(), json!("bearer"))))),
            ("no userinfo", Bend::Discovery(|d| drop(d.remove("userinfo_endpoint")))),
        ]);
    for (name, bend) in bends {
        scene.forget();
        scene.rogue.bend(bend);
        let mut browser = scene.site.browser();
        let page = scene.sign_in(&mut browser).await;
        assert_eq!(page.location.as_deref(), Some("/"), "{name}: {}", page.code());
        let thin = if name == "a thin token" { "DTKU" } else { "DTK" };
        assert_eq!(scene.rogue.take_calls(), thin, "{name}");
        // Whoever came in is who `sub` says.
        let sql = "SELECT p.okta_user_id FROM sessions s JOIN people p ON p.id = s.person_id";
        let inside = scene.site.stand.tables.texts(sql).await;
        assert_eq!(inside, [scene.rogue.who.as_str()], "{name}");
        browser.get("/account").await;
        browser.post("/sign-out", &[]).await;
    }
}

#[tokio::test]
async fn an_answer_that_names_its_issuer_lets_in() {
    let scene = Scene::open().await;
    let mut browser = scene.site.browser();
    let trip = scene.begin(&mut browser).await.expect("begun");
    let iss = "https%3A%2F%2Ffernhill.okta.com";
    let page = browser.get(&format!("{}&iss={iss}&session_state=x", trip.back())).await;
    assert_eq!(page.leads(), "/");
}

#[tokio::test]
async fn a_new_key_is_looked_for_once() {
    let scene = Scene::open().await;
    scene.comes_in().await;
    scene.wait(31);
    scene.rogue.take_calls();
    scene.rogue.rotate(&[0, 1], 1);
    scene.comes_in().await;
    assert_eq!(scene.rogue.take_calls(), "TK");
    // Known from now on, and the one before too.
    scene.comes_in().await;
    scene.rogue.rotate(&[0, 1], 0);
    scene.comes_in().await;
    assert_eq!(scene.rogue.take_calls(), "TT");
}

#[tokio::test]
async fn keys_that_nobody_knows_have_keys_fetched_once_in_thirty_seconds() {
    let scene = Scene::open().await;
    scene.comes_in().await;
    assert_eq!(scene.rogue.take_calls(), "DTK");
    scene.rogue.rotate(&[0], 1);
    for (wait, calls) in
        [(0, "T"), (29, "T"), (1, "TK"), (0, "T"), (15, "T"), (14, "T"), (1, "TK"), (0, "T")]
    {
        scene.wait(wait);
        assert_eq!(scene.is_refused().await, "unknown_kid");
        assert_eq!(scene.rogue.take_calls(), calls, "after {wait} s more");
    }
    // Several at once are no reason to ask more often.
    scene.wait(31);
    scene.rogue.keys_wait_for(8);
    let all = futures_util::future::join_all((0..8).map(|_| scene.is_refused())).await;
    assert_eq!(all, ["unknown_kid"; 8]);
    let calls = scene.rogue.take_calls();
    assert_eq!(calls.matches('K').count(), 1, "{calls}");
    // And whoever has the right key comes in all the while.
    scene.rogue.rotate(&[0], 0);
    scene.comes_in().await;
    assert_eq!(scene.rogue.take_calls(), "T");
}

/// Nor do they where keys cannot be had: an Okta that is away is not called more often for it.
#[tokio::test]
async fn keys_that_nobody_knows_do_not_have_an_okta_that_is_away_called_more_often() {
    let scene = Scene::open().await;
    scene.comes_in().await;
    scene.wait(31);
    scene.rogue.rotate(&[0], 1);
    scene.rogue.take_calls();
    scene.rogue.bend(Bend::At(Endpoint::Keys, |_| Err(TransportError::Timeout)));
    assert_eq!(scene.is_refused().await, "too_slow");
    for _ in 0..3 {
        scene.is_refused().await;
    }
    let calls = scene.rogue.take_calls();
    assert_eq!(calls.matches('K').count(), 1, "{calls}");
    // What was known is still good.
    scene.rogue.rotate(&[0], 0);
    scene.comes_in().await;
    // And half a minute later the new key is found.
    scene.wait(30);
    scene.rogue.rotate(&[0, 1], 1);
    scene.rogue.bend(Bend::Straight);
    scene.comes_in().await;
}

/// Each of them would else wait for all before them, ten seconds for each.
#[tokio::test]
async fn people_who_come_at_once_do_not_wait_for_keys_one_after_another() {
    let scene = Scene::open().await;
    scene.rogue.bend(Bend::At(Endpoint::Keys, |_| Err(TransportError::Timeout)));
    scene.rogue.keys_wait_for(8);
    let all = futures_util::future::join_all((0..8).map(|_| scene.is_refused())).await;
    assert_eq!(all, ["too_slow"; 8]);
    let calls = scene.rogue.take_calls();
    // The last of them may come to the queue when the first has just failed.
    assert!(calls.matches('K').count() <= 2, "{calls}");
    // Whoever comes afterwards is not told of what failed before.
    scene.rogue.bend(Bend::Straight);
    scene.comes_in().await;
}

/// What Okta refuses for another reason than the code is nobody's guess at a code.
#[tokio::test]
async fn what_is_wrong_with_the_app_is_not_held_against_the_place_of_those_who_come() {
    let scene = Scene::open().await;
    for answer in [
        |_: &Rogue| said(401, &json!({"error": "invalid_client"})),
        |_: &Rogue| said(429, &json!({"errorCode": "E0000047"})),
        |_: &Rogue| page(404),
    ] {
        scene.rogue.bend(Bend::At(Endpoint::Token, answer));
        for _ in 0..100 {
            assert_eq!(scene.is_refused().await, "okta_refused");
        }
    }
    scene.rogue.bend(Bend::Straight);
    scene.comes_in().await;
}

/// Codes that nobody was given are looked at only so often for one place.
#[tokio::test]
async fn codes_that_okta_does_not_take_are_brought_only_so_often() {
    let scene = Scene::open().await;
    scene.rogue.bend(Bend::At(Endpoint::Token, |_| said(400, &json!({"error": "invalid_grant"}))));
    let mut codes = Vec::new();
    for _ in 0..100 {
        codes.push(scene.is_refused().await);
    }
    let tried = codes.iter().filter(|code| *code == "okta_refused").count();
    assert!((5..100).contains(&tried), "{tried}");
    assert!(codes[tried..].iter().all(|code| code == "too_often"), "{codes:?}");
    assert_eq!(scene.rogue.take_calls().matches('T').count(), tried, "no more calls than that");
    scene.forget();
    scene.rogue.bend(Bend::Straight);
    scene.comes_in().await;
}

#[tokio::test]
async fn a_key_that_was_withdrawn_is_not_believed_for_longer_than_keys_may_be_kept() {
    let scene = Scene::open().await;
    scene.rogue.keys_may_be_kept(600);
    scene.comes_in().await;
    scene.rogue.take_calls();
    scene.rogue.rotate(&[1], 0);
    scene.wait(599);
    scene.comes_in().await;
    assert_eq!(scene.rogue.take_calls(), "T");
    scene.wait(1);
    assert_eq!(scene.is_refused().await, "unknown_kid");
    assert_eq!(scene.rogue.take_calls(), "TK");
}

/// Whoever was sent to one provider is not believed when the address turned into another one's meanwhile.
#[tokio::test]
async fn a_provider_that_turns_while_somebody_is_away_is_not_asked() {
    let scene = Scene::open().await;
    scene.begin(&mut scene.site.browser()).await.expect("begun");
    scene.wait(40 * 60);
    let mut browser = scene.site.browser();
    let trip = scene.begin(&mut browser).await.expect("begun");
    assert_eq!(scene.rogue.take_calls(), "D");
    scene.wait(25 * 60);
    scene.rogue.bend(Bend::Discovery(|d| {
        d.insert("issuer".into(), json!("https://evil.okta.com"));
    }));
    let page = browser.get(&trip.back()).await;
    assert_eq!((page.code(), page.status), ("issuer_mismatch", 502));
    assert_eq!(scene.rogue.take_calls(), "D");
    assert_eq!(scene.check_out(&mut browser).await, Ok(()));
}

/// The address that Okta posts to when it is set to send tokens directly: nothing that is posted is read.
#[tokio::test]
async fn a_token_that_is_posted_is_not_even_looked_at() {
    let scene = Scene::open().await;
    let mut browser = scene.site.browser();
    let trip = scene.begin(&mut browser).await.expect("begun");
    scene.rogue.take_calls();
    let fields = [("state", trip.state.as_str()), ("id_token", "a.b.c"), ("code", &trip.code)];
    let page = browser.post_as("cross-site", PATH, &fields).await;
    assert_eq!(page.leads(), "/users/auth/okta");
    assert_eq!(scene.rogue.take_calls(), "");
    assert_eq!(scene.check_out(&mut browser).await, Ok(()));
}
