//! An identity provider that signs people in as Okta does, except in the one way in which it is told to differ.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaEncoding};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64URL};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Method;
use muster_okta::reply::Reply;
use muster_okta::request::Request;
use muster_okta::transport::{Exchange, TransportError};
use muster_server::clock::Clock;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::support::Stand;

pub(super) type Object = Map<String, Value>;
pub(super) type Answer = Result<Reply, TransportError>;

/// Good for userinfo.
pub(super) const ACCESS_TOKEN: &str = "eyJ-aN-oPaQuE-aCcEsS-tOkEn";

/// What is called at a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Discovery,
    Keys,
    Token,
    Userinfo,
}

/// In what a provider differs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bend {
    /// In nothing.
    Straight,
    /// In what its ID tokens say; told the present second.
    Claims(fn(&mut Object, i64)),
    /// In the header of its ID tokens.
    Header(fn(&mut Object)),
    /// In how an ID token is made of header and claims.
    Made(fn(&Rogue, &Object, &Object) -> String),
    /// In what it answers beside the ID token.
    Body(fn(&mut Object)),
    /// In what it says of itself.
    Discovery(fn(&mut Object)),
    /// In the answer at one address. Where that is userinfo, its ID tokens are so thin that it is asked.
    At(Endpoint, fn(&Rogue) -> Answer),
}

/// Keys 0 and 1 may be shown; key 2 is a stranger's.
pub(super) const STRANGER: usize = 2;

pub(super) struct Rogue {
    base: String,
    client_id: String,
    pub(super) client_secret: String,
    redirect_uri: String,
    /// The Okta id of who signs in.
    pub(super) who: String,
    clock: Clock,
    pairs: Vec<KeyPair>,
    state: Mutex<State>,
    /// Calls for tokens so far, and how many there must be until keys are answered.
    tokens: watch::Sender<usize>,
    keys_wait_for: AtomicUsize,
}

struct State {
    bend: Bend,
    /// The keys that are shown, and the one that signs.
    shown: Vec<usize>,
    signs: usize,
    keys_max_age: u32,
    codes: Vec<Issued>,
    calls: String,
}

/// A code that waits to be exchanged.
struct Issued {
    code: String,
    nonce: String,
    challenge: String,
}

impl Rogue {
    /// One that stands in for the Okta of a stand, where `who` signs in.
    pub(super) async fn of(stand: &Stand, who: &str) -> Arc<Self> {
        let slug = stand.tenant.tenant().await.expect("a tenant").slug;
        let draw = |_| KeyPair::generate(KeySize::Rsa2048).expect("a key");
        Arc::new(Self {
            base: stand.okta.base(),
            client_id: stand.okta.client_id(),
            client_secret: stand.okta.client_secret(),
            redirect_uri: format!("https://{slug}.learn.example/users/auth/okta/callback"),
            who: stand.okta_id(who),
            clock: stand.clock.clone(),
            pairs: (0..=STRANGER).map(draw).collect(),
            state: Mutex::new(State {
                bend: Bend::Straight,
                shown: vec![0],
                signs: 0,
                keys_max_age: 3_828_277,
                codes: Vec::new(),
                calls: String::new(),
            }),
            tokens: watch::Sender::new(0),
            keys_wait_for: AtomicUsize::new(0),
        })
    }

    /// From now on it differs in this.
    pub(super) fn bend(&self, bend: Bend) {
        self.lock().bend = bend;
    }

    /// Shows other keys from now on, and signs with one of its own.
    pub(super) fn rotate(&self, shown: &[usize], signs: usize) {
        let mut state = self.lock();
        state.shown = shown.to_vec();
        state.signs = signs;
    }

    pub(super) fn keys_may_be_kept(&self, seconds: u32) {
        self.lock().keys_max_age = seconds;
    }

    /// Answers no call for keys before so many more have called for tokens: they all wait for keys then.
    pub(super) fn keys_wait_for(&self, more: usize) {
        self.keys_wait_for.store(*self.tokens.borrow() + more, Ordering::Relaxed);
    }

    /// What was called since this was asked last, a letter each: Discovery, Keys, Token, Userinfo.
    pub(super) fn take_calls(&self) -> String {
        std::mem::take(&mut self.lock().calls)
    }

    /// Lets somebody in at the provider; the code is what their browser brings back.
    pub(super) fn issue(&self, nonce: &str, challenge: &str) -> String {
        let mut state = self.lock();
        let code = format!("cOdE-{}-{}", state.codes.len(), &challenge[..20]);
        let (nonce, challenge) = (nonce.to_owned(), challenge.to_owned());
        state.codes.push(Issued { code: code.clone(), nonce, challenge });
        code
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Request) -> Answer {
        let (path, _) =
            request.path_and_query.split_once('?').unwrap_or((request.path_and_query.as_str(), ""));
        let endpoint = match (path, &request.method) {
            ("/.well-known/openid-configuration", &Method::GET) => Endpoint::Discovery,
            ("/oauth2/v1/keys", &Method::GET) => Endpoint::Keys,
            ("/oauth2/v1/token", &Method::POST) => Endpoint::Token,
            ("/oauth2/v1/userinfo", &Method::GET) => Endpoint::Userinfo,
            other => panic!("nothing to call at {other:?}"),
        };
        let bend = {
            let mut state = self.lock();
            state.calls.push(match endpoint {
                Endpoint::Discovery => 'D',
                Endpoint::Keys => 'K',
                Endpoint::Token => 'T',
                Endpoint::Userinfo => 'U',
            });
            state.bend
        };
        match bend {
            Bend::At(at, answer) if at == endpoint => answer(self),
            _ => match endpoint {
                Endpoint::Discovery => self.discovery(bend),
                Endpoint::Keys => self.keys(),
                Endpoint::Token => self.token(request, bend),
                Endpoint::Userinfo => self.userinfo(request),
            },
        }
    }

    fn discovery(&self, bend: Bend) -> Answer {
        let at = |path: &str| json!(format!("{}/oauth2/v1/{path}", self.base));
        let mut document = object(json!({
            "issuer": self.base, "authorization_endpoint": at("authorize"), "token_endpoint": at("token"),
            "jwks_uri": at("keys"), "userinfo_endpoint": at("userinfo"), "end_session_endpoint": at("logout"),
        }));
        if let Bend::Discovery(change) = bend {
            change(&mut document);
        }
        said(200, &Value::Object(document))
    }

    fn keys(&self) -> Answer {
        let (shown, seconds) = {
            let state = self.lock();
            (state.shown.clone(), state.keys_max_age)
        };
        let keys: Vec<Value> = shown.into_iter().map(|key| self.jwk(key)).collect();
        let mut reply = said(200, &json!({ "keys": keys }))?;
        let value = format!("max-age={seconds}, must-revalidate");
        reply.headers.push(("Cache-Control".to_owned(), value));
        Ok(reply)
    }

    /// As Okta does, it gives tokens only for its own code, once, to the app, for the address and with the verifier it was asked with.
    fn token(&self, request: &Request, bend: Bend) -> Answer {
        let app = format!("{}:{}", self.client_id, self.client_secret);
        let wanted = format!("Basic {}", BASE64.encode(app));
        if request.header("authorization") != Some(wanted.as_str()) {
            return said(401, &json!({"error": "invalid_client"}));
        }
        let fields: Object = url::form_urlencoded::parse(&request.body)
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect();
        let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let verifier = field("code_verifier").as_bytes();
        let challenge = BASE64URL.encode(digest::digest(&digest::SHA256, verifier));
        let good = field("grant_type") == "authorization_code"
            && field("redirect_uri") == self.redirect_uri;
        let mut state = self.lock();
        let at = state.codes.iter().position(|issued| {
            good && issued.code == field("code") && issued.challenge == challenge
        });
        let Some(at) = at else { return said(400, &json!({"error": "invalid_grant"})) };
        let issued = state.codes.swap_remove(at);
        let signs = state.signs;
        drop(state);
        let mut body = object(json!({
            "token_type": "Bearer", "expires_in": 3600, "access_token": ACCESS_TOKEN, "scope": "openid profile email",
            "id_token": self.id_token(&issued.nonce, signs, bend),
        }));
        if let Bend::Body(change) = bend {
            change(&mut body);
        }
        said(200, &Value::Object(body))
    }

    fn id_token(&self, nonce: &str, signs: usize, bend: Bend) -> String {
        let now = self.clock.now().as_second();
        let half =
            &digest::digest(&digest::SHA256, ACCESS_TOKEN.as_bytes()).as_ref()[..16].to_vec();
        let mut header = object(json!({"kid": kid(signs), "alg": "RS256"}));
        let mut claims = object(json!({
            "sub": self.who, "name": "Ana Ruiz", "preferred_username": "ana@fernhill.example", "email": "ana@fernhill.example",
            "ver": 1, "iss": self.base, "aud": self.client_id, "iat": now, "exp": now + 3600, "jti": "ID.1", "amr": ["pwd"],
            "auth_time": now, "nonce": nonce, "at_hash": BASE64URL.encode(half),
        }));
        match bend {
            Bend::Claims(change) => change(&mut claims, now),
            Bend::Header(change) => change(&mut header),
            Bend::Made(make) => return make(self, &header, &claims),
            Bend::At(Endpoint::Userinfo, _) => {
                claims.remove("name");
                claims.remove("email");
            }
            _ => {}
        }
        self.rs256(signs, &header, &claims)
    }

    fn userinfo(&self, request: &Request) -> Answer {
        if request.header("authorization") != Some(&format!("Bearer {ACCESS_TOKEN}")) {
            return said(401, &json!({"error": "invalid_token"}));
        }
        self.told_of_who()
    }

    /// What userinfo says when it behaves.
    pub(super) fn told_of_who(&self) -> Answer {
        let who = json!({"sub": self.who, "name": "Ana Ruiz", "email": "ana@fernhill.example"});
        said(200, &who)
    }

    /// A public key as it is shown.
    pub(super) fn jwk(&self, key: usize) -> Value {
        let public = self.pairs[key].public_key();
        let exponent = public.exponent();
        json!({
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid(key), "n": BASE64URL.encode(self.modulus(key)),
            "e": BASE64URL.encode(exponent.big_endian_without_leading_zero()),
        })
    }

    pub(super) fn modulus(&self, key: usize) -> Vec<u8> {
        self.pairs[key].public_key().modulus().big_endian_without_leading_zero().to_vec()
    }

    /// A public key as files hold it.
    pub(super) fn pem(&self, key: usize) -> String {
        let der: PublicKeyX509Der<'_> = self.pairs[key].public_key().as_der().expect("a key");
        let text = BASE64.encode(der.as_ref());
        let lines: Vec<&str> = (0..text.len())
            .step_by(64)
            .map(|from| &text[from..text.len().min(from + 64)])
            .collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// A token as it should be.
    pub(super) fn rs256(&self, key: usize, header: &Object, claims: &Object) -> String {
        self.rsa(&RSA_PKCS1_SHA256, key, &unsigned(header, claims))
    }

    /// Header and claims with an RSA signature of any kind.
    pub(super) fn rsa(
        &self,
        encoding: &'static dyn RsaEncoding,
        key: usize,
        unsigned: &str,
    ) -> String {
        let pair = &self.pairs[key];
        let mut signature = vec![0; pair.public_modulus_len()];
        let text = unsigned.as_bytes();
        pair.sign(encoding, &SystemRandom::new(), text, &mut signature).expect("signed");
        format!("{unsigned}.{}", BASE64URL.encode(signature))
    }
}

impl Exchange for Rogue {
    fn exchange(&self, request: Request) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let answer = self.answer(&request);
            if request.path_and_query.ends_with("/token") {
                self.tokens.send_modify(|tokens| *tokens += 1);
            }
            if request.path_and_query.ends_with("/keys") {
                let least = self.keys_wait_for.load(Ordering::Relaxed);
                let came =
                    self.tokens.subscribe().wait_for(|tokens| *tokens >= least).await.is_ok();
                assert!(came, "they come");
            }
            answer
        })
    }
}

/// The name of a key.
pub(super) fn kid(key: usize) -> String {
    format!("kid-{key}")
}

/// Header and claims, encoded.
pub(super) fn unsigned(header: &Object, claims: &Object) -> String {
    format!("{}.{}", encoded(header), encoded(claims))
}

pub(super) fn encoded(part: &Object) -> String {
    BASE64URL.encode(Value::Object(part.clone()).to_string())
}

/// Header and claims with a MAC, as if the key were a secret.
pub(super) fn hs256(secret: &[u8], unsigned: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    format!("{unsigned}.{}", BASE64URL.encode(hmac::sign(&key, unsigned.as_bytes())))
}

/// The same with another value, or without one.
pub(super) fn with(part: &Object, name: &str, value: Value) -> Object {
    let mut part = part.clone();
    part.insert(name.to_owned(), value);
    part
}

pub(super) fn object(value: Value) -> Object {
    let Value::Object(object) = value else { panic!("an object, not {value}") };
    object
}

/// An answer in JSON.
pub(super) fn said(status: u16, value: &Value) -> Answer {
    written(status, value.to_string())
}

/// An answer that calls itself JSON.
#[expect(clippy::unnecessary_wraps, reason = "one kind of answer among those that fail")]
pub(super) fn written(status: u16, body: String) -> Answer {
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    Ok(Reply { status, headers, body: Bytes::from(body) })
}

/// A page where JSON is due: what a proxy or a portal puts in between.
#[expect(clippy::unnecessary_wraps, reason = "one kind of answer among those that fail")]
pub(super) fn page(status: u16) -> Answer {
    let headers = vec![
        ("Content-Type".to_owned(), "text/html".to_owned()),
        ("Location".to_owned(), "https://evil.example/".to_owned()),
    ];
    let body = Bytes::from_static(b"<!doctype html><h1>Please wait</h1>");
    Ok(Reply { status, headers, body })
}
