//! People and assignments as JSON, written straight into the body.
//!
//! Listings of a million people pass through here, so nothing is built that is only to be written out.

use crate::ids::{Id, Kind};
use crate::profile::Profile;
use crate::stamp::write_json;
use crate::state::groups::{Assignment, Scope};
use crate::state::people::{Person, Provider, Status};
use crate::state::view::View;

/// Which links a user carries: lists show only `self`, single reads what may be done with the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    SelfOnly,
    Full,
}

/// What a caller asked to have left out, by `okta-response=` in the content type of the request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Omit {
    pub credentials: bool,
}

/// Roughly how many bytes a user with all links takes.
pub(crate) const USER_BYTES: usize = 2600;
/// Roughly how many bytes a user in a list takes.
pub(crate) const LISTED_USER_BYTES: usize = 1200;
/// Roughly how many bytes an assignment takes.
pub(crate) const APP_USER_BYTES: usize = 1000;

impl View<'_> {
    /// A user.
    pub(crate) fn write_user(
        self,
        out: &mut Vec<u8>,
        slot: u32,
        person: &Person,
        links: Links,
        omit: Omit,
    ) {
        let id = self.org.ids.id(Kind::User, slot);
        put(out, "{\"id\":\"");
        out.extend_from_slice(id.bytes());
        put(out, "\",\"status\":\"");
        put(out, person.status.as_str());
        put(out, "\",\"created\":");
        write_json(out, person.created);
        put(out, ",\"activated\":");
        write_json(out, person.activated);
        put(out, ",\"statusChanged\":");
        write_json(out, person.status_changed);
        put(out, ",\"lastLogin\":");
        write_json(out, person.last_login);
        put(out, ",\"lastUpdated\":");
        write_json(out, person.last_updated);
        put(out, ",\"passwordChanged\":");
        write_json(out, person.password_changed);
        put(out, ",\"type\":{\"id\":\"");
        out.extend_from_slice(self.org.ids.id(Kind::Type, 0).bytes());
        put(out, "\"},\"profile\":");
        self.write_profile(out, &person.profile);
        if !omit.credentials {
            put(out, ",\"credentials\":{");
            if person.has_password {
                put(out, "\"password\":{},");
            }
            put(
                out,
                match person.provider {
                    Provider::Okta => "\"provider\":{\"type\":\"OKTA\",\"name\":\"OKTA\"}}",
                    Provider::ActiveDirectory => {
                        "\"provider\":{\"type\":\"ACTIVE_DIRECTORY\",\"name\":\"fernhill.example\"}}"
                    }
                },
            );
        }
        put(out, ",\"_links\":{");
        if links == Links::Full {
            self.write_user_links(out, id, person);
        }
        put(out, "\"self\":{\"href\":\"");
        self.put_user_url(out, id);
        put(out, "\"}}}");
    }

    fn write_profile(self, out: &mut Vec<u8>, profile: &Profile) {
        out.push(b'{');
        let pool = &self.org.pool;
        let mut first = true;
        for (attribute, json) in profile.entries(pool) {
            put(out, if first { "\"" } else { ",\"" });
            put(out, pool.name(attribute));
            put(out, "\":");
            out.extend_from_slice(json);
            first = false;
        }
        out.push(b'}');
    }

    /// The links of a single read. Source: recordings of staged, provisioned, active and deprovisioned users.
    fn write_user_links(self, out: &mut Vec<u8>, id: Id, person: &Person) {
        let actions: &[&str] = match person.status {
            Status::Staged => &["activate", "reset_factors"],
            Status::Provisioned => &["suspend", "reset_password", "reactivate", "deactivate"],
            Status::Active => &["suspend", "reset_password", "expire_password", "deactivate"],
            Status::Recovery | Status::PasswordExpired => {
                &["suspend", "reset_password", "deactivate"]
            }
            Status::LockedOut => &["unlock", "suspend", "reset_password", "deactivate"],
            Status::Suspended => &["unsuspend", "reset_password", "deactivate"],
            Status::Deprovisioned => &["activate"],
        };
        for action in actions {
            out.push(b'"');
            put(out, link_name(action));
            put(out, "\":{\"href\":\"");
            self.put_user_url(out, id);
            put(out, "/lifecycle/");
            put(out, action);
            put(out, "\",\"method\":\"POST\"},");
        }
        if person.status == Status::Active && person.has_password {
            for (name, action) in CREDENTIAL_LINKS {
                out.push(b'"');
                put(out, name);
                put(out, "\":{\"href\":\"");
                self.put_user_url(out, id);
                put(out, "/credentials/");
                put(out, action);
                put(out, "\",\"method\":\"POST\"},");
            }
        }
        if person.status == Status::Deprovisioned {
            put(out, "\"delete\":{\"href\":\"");
            self.put_user_url(out, id);
            put(out, "\",\"method\":\"DELETE\"},");
        }
        put(out, "\"schema\":{\"href\":\"");
        put(out, &self.org.base);
        put(out, "/api/v1/meta/schemas/user/");
        out.extend_from_slice(self.org.ids.id(Kind::Schema, 0).bytes());
        put(out, "\"},\"type\":{\"href\":\"");
        put(out, &self.org.base);
        put(out, "/api/v1/meta/types/user/");
        out.extend_from_slice(self.org.ids.id(Kind::Type, 0).bytes());
        put(out, "\"},");
    }

    /// An app user of an OIDC app, with the whole user inside when asked for.
    pub(crate) fn write_app_user(
        self,
        out: &mut Vec<u8>,
        app: u32,
        slot: u32,
        assignment: &Assignment,
        expand: bool,
    ) {
        let Some(person) = self.person(slot) else { return };
        let id = self.org.ids.id(Kind::User, slot);
        put(out, "{\"id\":\"");
        out.extend_from_slice(id.bytes());
        put(out, "\",\"externalId\":null,\"created\":");
        write_json(out, assignment.created);
        put(out, ",\"lastUpdated\":");
        write_json(out, assignment.last_updated);
        put(out, ",\"scope\":\"");
        put(out, if assignment.scope == Scope::User { "USER" } else { "GROUP" });
        put(out, "\",\"status\":\"");
        put(out, if person.status == Status::Staged { "STAGED" } else { "ACTIVE" });
        put(out, "\",\"statusChanged\":");
        write_json(out, assignment.last_updated);
        put(out, ",\"passwordChanged\":null,\"syncState\":\"DISABLED\",\"lastSync\":null,");
        put(out, "\"credentials\":{\"userName\":");
        out.extend_from_slice(self.token(person, "login"));
        put(out, "},\"profile\":");
        self.write_claims(out, person);
        put(out, ",\"_links\":{\"app\":{\"href\":\"");
        put(out, &self.org.base);
        put(out, "/api/v1/apps/");
        out.extend_from_slice(self.org.ids.id(Kind::App, app).bytes());
        put(out, "\"},\"user\":{\"href\":\"");
        self.put_user_url(out, id);
        put(out, "\"}");
        if let Scope::Group(group) = assignment.scope {
            put(out, ",\"group\":{\"href\":\"");
            put(out, &self.org.base);
            put(out, "/api/v1/groups/");
            out.extend_from_slice(self.org.ids.id(Kind::Group, group).bytes());
            put(out, "\"}");
        }
        out.push(b'}');
        if expand {
            put(out, ",\"_embedded\":{\"user\":");
            self.write_user(out, slot, person, Links::Full, Omit::default());
            out.push(b'}');
        }
        out.push(b'}');
    }

    /// The profile of an OIDC app user: claims, not directory attributes. Source: recording of an OIDC app user.
    fn write_claims(self, out: &mut Vec<u8>, person: &Person) {
        let (first, last) = (self.token(person, "firstName"), self.token(person, "lastName"));
        put(out, "{\"street_address\":null,\"country\":null,\"website\":null,\"zoneinfo\":");
        out.extend_from_slice(self.token(person, "timezone"));
        put(out, ",\"birthdate\":null,\"gender\":null,\"formatted\":null,\"profile\":null,");
        put(out, "\"locality\":null,\"given_name\":");
        out.extend_from_slice(first);
        put(out, ",\"middle_name\":null,\"locale\":");
        match self.token(person, "locale") {
            b"null" => put(out, "\"en_US\""),
            locale => out.extend_from_slice(locale),
        }
        put(out, ",\"picture\":null,\"name\":\"");
        out.extend_from_slice(inside(first));
        if !inside(first).is_empty() && !inside(last).is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(inside(last));
        put(out, "\",\"nickname\":null,\"phone_number\":null,\"region\":null,");
        put(out, "\"postal_code\":null,\"family_name\":");
        out.extend_from_slice(last);
        put(out, ",\"email\":");
        out.extend_from_slice(self.token(person, "email"));
        out.push(b'}');
    }

    fn token<'p>(self, person: &'p Person, name: &str) -> &'p [u8]
    where
        Self: 'p,
    {
        person.profile.json(&self.org.pool, name).unwrap_or(b"null")
    }

    fn put_user_url(self, out: &mut Vec<u8>, id: Id) {
        put(out, &self.org.base);
        put(out, "/api/v1/users/");
        out.extend_from_slice(id.bytes());
    }
}

const CREDENTIAL_LINKS: [(&str, &str); 3] = [
    ("changeRecoveryQuestion", "change_recovery_question"),
    ("changePassword", "change_password"),
    ("forgotPassword", "forgot_password"),
];

fn link_name(action: &str) -> &str {
    match action {
        "reset_factors" => "resetFactors",
        "reset_password" => "resetPassword",
        "expire_password" => "expirePassword",
        other => other,
    }
}

/// The letters of a JSON string without its quotes; nothing for null.
fn inside(json: &[u8]) -> &[u8] {
    json.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or_default()
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}
