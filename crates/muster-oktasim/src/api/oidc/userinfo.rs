//! `userinfo`: everything about a person that the scopes of an access token allow.

use serde_json::{Map, Value, json};

use super::Visit;
use super::token::allows;
use crate::api::answer::Answer;
use crate::ids::Kind;
use crate::state::Org;
use crate::state::keys::Server;

/// Claims of the scope `profile` and the attributes they come from. Source: Okta's table of scope-dependent claims.
const PROFILE: [(&str, &str); 7] = [
    ("nickname", "nickName"),
    ("preferred_username", "login"),
    ("given_name", "firstName"),
    ("middle_name", "middleName"),
    ("family_name", "lastName"),
    ("profile", "profileUrl"),
    ("zoneinfo", "timezone"),
];

/// Okta has these where a person has none. Source: Okta's API description, schema of the user profile.
const LOCALE: &str = "en_US";
const ZONE: &str = "America/Los_Angeles";

impl Org {
    pub(super) fn userinfo(&mut self, visit: &Visit<'_>, server: Server) -> Answer {
        let token = visit
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "))
            .map(str::trim);
        let Some(token) = token else { return self.challenge(visit, server, None) };
        match self.person_claims(token, server, visit) {
            Some(claims) => Answer::value(&claims),
            None => self.challenge(visit, server, Some("The access token is invalid.")),
        }
    }

    fn person_claims(&self, token: &str, server: Server, visit: &Visit<'_>) -> Option<Value> {
        let grant = self.granted(token, server, visit.now)?;
        let person = self.person(grant.slot)?;
        let get = |name: &str| person.profile.get(&self.pool, name);
        let mut claims = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                claims.insert(name.to_owned(), value);
            }
        };
        put("sub", json!(self.ids.id(Kind::User, grant.slot).as_str()));
        if allows(grant, "profile") {
            put("name", json!(person.profile.full_name(&self.pool)));
            put("zoneinfo", json!(ZONE));
            for (claim, attribute) in PROFILE {
                put(claim, get(attribute));
            }
            let locale = get("locale");
            // With a dash, whatever the profile says.
            put("locale", json!(locale.as_str().unwrap_or(LOCALE).replace('_', "-")));
            put("updated_at", json!(person.last_updated));
        }
        if allows(grant, "email") {
            put("email", get("email"));
            put("email_verified", json!(true));
        }
        if allows(grant, "phone") {
            put("phone_number", get("primaryPhone"));
        }
        Some(Value::Object(claims))
    }

    /// 401 without a body. Source: RFC 6750 3; the members of the header are as Okta sends them.
    fn challenge(&self, visit: &Visit<'_>, server: Server, problem: Option<&str>) -> Answer {
        let mut value = format!(
            "Bearer authorization_uri=\"{}{}/v1/authorize\", realm=\"{}\", scope=\"openid\"",
            self.base,
            server.prefix(),
            self.base
        );
        if let Some(problem) = problem {
            value.push_str(&format!(
                ", error=\"invalid_token\", error_description=\"{problem}\", resource=\"{}\"",
                visit.path
            ));
        }
        Answer::json(401, Vec::new()).with("www-authenticate", value)
    }
}
