//! The simulator's answers beside recordings of real ones: nothing that Okta always sends may be missing here.
//!
//! The recordings do not belong to this repository. `MUSTER_OKTA_SAMPLES` names a folder that holds them.

use std::path::PathBuf;

use muster_oktasim::Request;
use serde_json::{Value, json};

use crate::stand::Stand;

/// Members that real orgs send and that this simulator leaves out on purpose: Okta's own API description does not name
/// them, and no client may rely on them.
const LEFT_OUT: [&str; 14] = [
    "/credentials/emails",
    "/settings/app",
    "/settings/manualProvisioning",
    "/settings/oauthClient/frontchannel_logout_uri",
    "/_links/uploadLogo",
    "/_links/profileEnrollment",
    "/_links/policies",
    "/_links/clientCredentials",
    "/_links/accessPolicy",
    "/_links/logo",
    "/_links/resetFactors",
    "/description",
    // Names are optional in this org.
    "/definitions/base/properties/firstName/required",
    "/definitions/base/properties/lastName/required",
];

fn samples() -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test finds recordings that are not in the repository"
    )]
    let folder = std::env::var_os("MUSTER_OKTA_SAMPLES");
    if folder.is_none() {
        eprintln!(
            "SKIPPED: MUSTER_OKTA_SAMPLES names no folder of recordings, so no shape was compared"
        );
    }
    folder.map(PathBuf::from)
}

/// Paths of members that `real` has and `ours` lacks, and of those whose type differs. Null fits everything.
fn missing(real: &Value, ours: &Value, path: &str, found: &mut Vec<String>) {
    if LEFT_OUT.contains(&path) || path.starts_with("/profile") {
        return;
    }
    match (real, ours) {
        (Value::Object(real), Value::Object(ours)) => {
            for (name, value) in real {
                let path = format!("{path}/{name}");
                match ours.get(name) {
                    Some(own) => missing(value, own, &path, found),
                    None if LEFT_OUT.contains(&path.as_str()) => {}
                    None => found.push(format!("{path} is missing")),
                }
            }
        }
        (Value::Array(real), Value::Array(ours)) => {
            if let (Some(real), Some(ours)) = (real.first(), ours.first()) {
                missing(real, ours, path, found);
            }
        }
        (Value::Null, _) | (_, Value::Null) => {}
        (real, ours) if std::mem::discriminant(real) == std::mem::discriminant(ours) => {}
        _ => found.push(format!("{path} has another type")),
    }
}

#[test]
fn answers_have_what_recordings_have() {
    let Some(folder) = samples() else { return };
    let stand = Stand::fernhill();
    let user = |who: &str| stand.user(who);
    let hook = json!({
        "name": "h", "events": { "type": "EVENT_TYPE", "items": ["user.lifecycle.suspend"] },
        "channel": { "type": "HTTP", "version": "1.0.0", "config": {
            "uri": "https://learn.example/hook", "headers": [{ "key": "x", "value": "y" }],
            "authScheme": { "type": "HEADER", "key": "authorization", "value": "s" }
        } }
    });
    stand.send(Request::post("/api/v1/eventHooks", &hook));
    stand.act(&muster_oktasim::Action::Assign {
        who: "olive.owens@fernhill.example".to_owned(),
        app: None,
    });
    #[rustfmt::skip]
    let cases = [
        ("user-active", user("mona.mover@fernhill.example")),
        ("user-provisioned", stand.follow("/api/v1/users?search=status%20eq%20%22PROVISIONED%22")[0]["id"].as_str().map(|id| format!("/api/v1/users/{id}")).unwrap()),
        ("user-deprovisioned", user("rhea.return@fernhill.example")),
        ("user-list-page1", "/api/v1/users?limit=1".to_owned()),
        ("app-oidc-basic", format!("/api/v1/apps/{}", stand.app)),
        ("app-user-get", stand.app_user("mona.mover@fernhill.example")),
        ("doc-app-user-expand-user", format!("{}?expand=user", stand.app_user("mona.mover@fernhill.example"))),
        ("app-group-list", format!("/api/v1/apps/{}/groups", stand.app)),
        ("group-list-built-in", "/api/v1/groups?filter=type%20eq%20%22BUILT_IN%22".to_owned()),
        ("groups-of-user", format!("{}/groups", user("mona.mover@fernhill.example"))),
        ("user-schema-default", "/api/v1/meta/schemas/user/default".to_owned()),
        ("user-types", "/api/v1/meta/types/user".to_owned()),
        ("linked-object-definitions", "/api/v1/meta/schemas/user/linkedObjects".to_owned()),
        ("linked-object-values", format!("{}/linkedObjects/subordinate", user("wendy.manyreports@fernhill.example"))),
        ("event-hook-list", "/api/v1/eventHooks".to_owned()),
        ("well-known-okta-organization", "/.well-known/okta-organization".to_owned()),
        ("doc-oidc-discovery-org", "/.well-known/openid-configuration".to_owned()),
        ("user-404", "/api/v1/users/00usfgmn9xhwtA6f74x6".to_owned()),
    ];
    for (name, target) in cases {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let sample: Value = serde_json::from_str(&text).unwrap();
        let real = sample.pointer("/response/body").or(sample.get("body")).unwrap();
        let ours = stand.get(&target).json();
        let mut found = Vec::new();
        missing(real, &ours, "", &mut found);
        let known = |text: &&String| {
            // The definitions of a schema differ from org to org.
            !(text.starts_with("/definitions/custom") || text.starts_with("/_links/type is"))
        };
        let found: Vec<&String> = found.iter().filter(known).collect();
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
    log_event(&stand, &folder);
}

fn log_event(stand: &Stand, folder: &std::path::Path) {
    for (name, kind) in
        [("log-event-application.user_membership.add", "application.user_membership.add")]
    {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let sample: Value = serde_json::from_str(&text).unwrap();
        let log = stand.get("/api/v1/logs").json();
        let ours = log.as_array().unwrap().iter().find(|event| event["eventType"] == kind).unwrap();
        let mut found = Vec::new();
        missing(&sample["body"], ours, "", &mut found);
        assert!(found.is_empty(), "{name}: {found:#?}");
        for field in ["displayMessage", "legacyEventType", "version", "severity"] {
            assert_eq!(sample["body"][field], ours[field], "{name}: {field}");
        }
    }
}
