//! The same org over HTTP.

use muster_oktasim::{Fault, Rule, RunningSim, Sim, SimConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn exchange(sim: &RunningSim, method: &str, target: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(sim.address()).await.unwrap();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\nauthorization: SSWS {}\r\ncontent-length: {}\r\n\r\n{body}",
        sim.api_token(),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A cut connection may end in an error: what came before it is the answer.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn json_of(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

async fn start() -> RunningSim {
    Sim::start(SimConfig::default()).await.unwrap()
}

#[tokio::test]
async fn serves_with_its_own_address_in_every_link() {
    let sim = start().await;
    let answer =
        exchange(&sim, "GET", &format!("/api/v1/apps/{}/users?limit=2", sim.app_id()), "").await;
    let links: Vec<&str> = answer.lines().filter(|line| line.starts_with("link: ")).collect();
    assert_eq!(links.len(), 2, "{answer}");
    assert!(links[1].starts_with(&format!("link: <{}/api/v1/apps/", sim.base())));
    assert_eq!(json_of(&answer).as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn cuts_and_drops_connections() {
    let sim = start().await;
    let rule = |fault| Rule::on("/api/v1/users").times(1).fault(fault);
    sim.org().faults(|faults| faults.add(rule(Fault::Drop)));
    assert_eq!(exchange(&sim, "GET", "/api/v1/users", "").await, "");
    sim.org().faults(|faults| faults.add(rule(Fault::Cut(100))));
    let cut = exchange(&sim, "GET", "/api/v1/users", "").await;
    let (head, body) = cut.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert!(
        length.parse::<usize>().unwrap() > 1000 && body.len() <= 100,
        "{length} and {}",
        body.len()
    );
    assert!(exchange(&sim, "GET", "/api/v1/users", "").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn verifies_a_hook_and_delivers_to_it() {
    let sim = start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // A hook endpoint that answers two calls and keeps the second.
    let endpoint = async {
        let mut last = String::new();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            last = read_request(&mut stream).await;
            let challenge =
                last.lines().find_map(|line| line.strip_prefix("x-okta-verification-challenge: "));
            let body = challenge
                .map(|value| json!({ "verification": value }).to_string())
                .unwrap_or_default();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        last
    };
    let admin = async {
        let hook = json!({
            "name": "h", "events": { "type": "EVENT_TYPE", "items": ["user.lifecycle.suspend"] },
            "channel": { "type": "HTTP", "version": "1.0.0", "config": {
                "uri": format!("http://acme.localhost:{port}/webhooks/okta"),
                "authScheme": { "type": "HEADER", "key": "authorization", "value": "s3cret" }
            } }
        });
        let made = json_of(&exchange(&sim, "POST", "/api/v1/eventHooks", &hook.to_string()).await);
        let path = format!("/api/v1/eventHooks/{}/lifecycle/verify", made["id"].as_str().unwrap());
        let shown = json_of(&exchange(&sim, "POST", &path, "").await);
        assert_eq!(shown["verificationStatus"], "VERIFIED", "{shown}");
        let action = json!({ "do": "suspend", "who": "mona.mover@fernhill.example" });
        let done = exchange(&sim, "POST", "/_sim/act", &action.to_string()).await;
        assert!(done.starts_with("HTTP/1.1 200"), "{done}");
    };
    let (delivered, ()) = tokio::join!(endpoint, admin);
    assert!(delivered.starts_with("POST /webhooks/okta HTTP/1.1"));
    assert!(delivered.contains("authorization: s3cret"));
    assert!(delivered.contains("\"user.lifecycle.suspend\""));
}

/// Reads a request with its whole body.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut bytes = [0; 4096];
    loop {
        let read = stream.read(&mut bytes).await.unwrap();
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if read == 0 || body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
    }
}

#[tokio::test]
async fn the_admin_api_says_what_it_did_and_why_not() {
    let sim = start().await;
    let person = "mona.mover@fernhill.example";
    let suspend = json!({ "do": "suspend", "who": person }).to_string();
    let done = json_of(&exchange(&sim, "POST", "/_sim/act", &suspend).await);
    assert_eq!(done["people"], 1);
    let again = exchange(&sim, "POST", "/_sim/act", &suspend).await;
    assert!(again.starts_with("HTTP/1.1 409") && again.contains("SUSPENDED"), "{again}");
    let unknown = exchange(&sim, "POST", "/_sim/act", r#"{"do":"dance","who":"x"}"#).await;
    assert!(unknown.starts_with("HTTP/1.1 400"), "{unknown}");
    let settings =
        json_of(&exchange(&sim, "PUT", "/_sim/settings", r#"{"stale_seconds":2}"#).await);
    assert_eq!(
        (&settings["stale_seconds"], &settings["hooks"]["batch_max"]),
        (&json!(2), &json!(100))
    );
    let limits = r#"{"preset":"integrator","window_seconds":2,"overrides":{"users":3}}"#;
    assert!(exchange(&sim, "PUT", "/_sim/limits", limits).await.starts_with("HTTP/1.1 200"));
    let token = r#"{"state":"no_role","rights":{"logs":"none"}}"#;
    assert!(exchange(&sim, "PUT", "/_sim/token", token).await.starts_with("HTTP/1.1 200"));
    let rule = r#"{"path":"/api/v1/users","nth":2,"times":1,"fault":{"status":503}}"#;
    let rules = json_of(&exchange(&sim, "POST", "/_sim/faults", rule).await);
    assert_eq!(rules[0]["fault"]["status"], 503);
    let stats = json_of(&exchange(&sim, "GET", "/_sim/stats", "").await);
    assert_eq!((&stats["people"], &stats["assigned"]), (&json!(240), &json!(226)));
    let org = json_of(&exchange(&sim, "GET", "/_sim/org", "").await);
    assert_eq!(org["base"], sim.base());
}

#[tokio::test]
async fn many_simulators_run_side_by_side() {
    let (one, other) = tokio::join!(start(), start());
    assert_ne!(one.base(), other.base());
    drop(one);
    let answer = exchange(&other, "GET", "/api/v1/users/me", "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
