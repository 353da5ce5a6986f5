//! `muster-oktasim admin`: calls the admin API of a simulator that is being served.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where, and what to do there.
#[derive(Debug, Args)]
pub(crate) struct Admin {
    /// Scheme, host and port, as the simulator printed them.
    #[arg(long)]
    base: String,
    #[command(subcommand)]
    action: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Deactivates a person.
    Deactivate { who: String },
    /// Activates a staged or deactivated person.
    Activate { who: String },
    /// Suspends a person.
    Suspend { who: String },
    /// Ends a suspension.
    Unsuspend { who: String },
    /// Deactivates if need be, then deletes.
    Delete { who: String },
    /// Assigns a person to the app.
    Assign { who: String },
    /// Takes a person out of the app.
    Unassign { who: String },
    /// Puts a person into a group.
    AddToGroup { who: String, group: String },
    /// Takes a person out of a group.
    RemoveFromGroup { who: String, group: String },
    /// Changes attributes: `title=Lead city=Paris`; an empty value unsets.
    Update { who: String, attributes: Vec<String> },
    /// Two people exchange their e-mails.
    SwapEmails { one: String, other: String },
    /// Switches Federation Broker Mode: on or off.
    BrokerMode { state: String },
    /// Ends a person's sessions at Okta and in every app that wants to be told.
    SignOutEverywhere { who: String },
    /// The next key signs tokens from now on; with `--forget-old` the one before it disappears at once.
    RotateKeys {
        #[arg(long)]
        forget_old: bool,
    },
    /// Changes the app, as JSON: `{"redirect_uris":["http://localhost:8080/callback"]}`.
    App { change: String },
    /// Sets the API token: ok, revoked or no_role.
    Token { state: String },
    /// Hides people from the API token; nobody named shows everybody again.
    Hide { people: Vec<String> },
    /// Adds a fault rule, as JSON.
    Fault { rule: String },
    /// Ends all faults.
    ClearFaults,
    /// Changes settings, as JSON: `{"stale_seconds":3}`.
    Settings { change: String },
    /// Changes rate limits, as JSON: `{"preset":"integrator","window_seconds":5}`.
    Limits { change: String },
    /// Does one step of Fernhill's morning: joiner, mover, leaver, marriage, new-manager, suspended, starter, failing-page.
    Morning { step: String },
    /// Shows what was asked of the org.
    Stats,
    /// Lists the planted people of Fernhill.
    Planted,
    /// Lists people with status and assignment.
    People,
}

/// Makes the call and prints the answer.
pub(crate) async fn run(admin: &Admin) -> Result<(), String> {
    let (method, path, body) = call(&admin.action)?;
    let (status, answer) = request(&admin.base, method, &path, &body).await?;
    if status != 200 {
        return Err(answer);
    }
    println!("{answer}");
    Ok(())
}

fn call(what: &What) -> Result<(&'static str, String, String), String> {
    let act = |verb: &str, fields: Value| {
        let mut action = fields;
        action["do"] = json!(verb);
        Ok(("POST", "act".to_owned(), action.to_string()))
    };
    let put = |path: &str, body: String| Ok(("PUT", path.to_owned(), body));
    let get = |path: &str| Ok(("GET", path.to_owned(), String::new()));
    match what {
        What::Deactivate { who } => act("deactivate", json!({ "who": who })),
        What::Activate { who } => act("activate", json!({ "who": who })),
        What::Suspend { who } => act("suspend", json!({ "who": who })),
        What::Unsuspend { who } => act("unsuspend", json!({ "who": who })),
        What::Delete { who } => act("delete", json!({ "who": who })),
        What::Assign { who } => act("assign", json!({ "who": who })),
        What::Unassign { who } => act("unassign", json!({ "who": who })),
        What::AddToGroup { who, group } => {
            act("add_to_group", json!({ "who": who, "group": group }))
        }
        What::RemoveFromGroup { who, group } => {
            act("remove_from_group", json!({ "who": who, "group": group }))
        }
        What::Update { who, attributes } => {
            let mut profile = Map::new();
            for pair in attributes {
                let (name, value) =
                    pair.split_once('=').ok_or_else(|| format!("{pair:?} is not NAME=VALUE"))?;
                let value = if value.is_empty() { Value::Null } else { json!(value) };
                profile.insert(name.to_owned(), value);
            }
            act("update", json!({ "who": who, "profile": profile }))
        }
        What::SwapEmails { one, other } => {
            act("swap_emails", json!({ "one": one, "other": other }))
        }
        What::BrokerMode { state } => act("broker_mode", json!({ "on": state == "on" })),
        What::SignOutEverywhere { who } => act("sign_out_everywhere", json!({ "who": who })),
        What::RotateKeys { forget_old } => {
            put("keys", json!({ "rotate": true, "forget_old": forget_old }).to_string())
        }
        What::App { change } => put("app", change.clone()),
        What::Token { state } => put("token", json!({ "state": state }).to_string()),
        What::Hide { people } => put("token", json!({ "hidden": people }).to_string()),
        What::Fault { rule } => Ok(("POST", "faults".to_owned(), rule.clone())),
        What::ClearFaults => Ok(("DELETE", "faults".to_owned(), String::new())),
        What::Settings { change } => put("settings", change.clone()),
        What::Limits { change } => put("limits", change.clone()),
        What::Morning { step } => Ok(("POST", format!("morning/{step}"), String::new())),
        What::Stats => get("stats"),
        What::Planted => get("planted"),
        What::People => get("people"),
    }
}

async fn request(
    base: &str,
    method: &str,
    path: &str,
    body: &str,
) -> Result<(u16, String), String> {
    let url = url::Url::parse(base).map_err(|error| format!("{base}: {error}"))?;
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(80);
    let failed = |error: std::io::Error| format!("{base}: {error}");
    let mut stream = TcpStream::connect((host, port)).await.map_err(failed)?;
    let head = format!(
        "{method} /_sim/{path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(failed)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").ok_or("no answer")?;
    let status =
        head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).ok_or("no answer")?;
    Ok((status, body.to_owned()))
}
