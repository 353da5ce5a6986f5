//! `/api/v1/meta`: the user schema, user types and the definitions of linked objects.

use http::Method;
use serde_json::{Map, Value, json};

use super::Call;
use super::answer::Answer;
use crate::ids::Kind;
use crate::stamp;
use crate::state::Org;

/// The linked objects of this org: the manager of a user, and a manager's reports.
pub(crate) const RELATIONS: [&str; 2] = ["manager", "subordinate"];

/// Base attributes: name, title, format, and whether required. Source: recorded default schema.
const BASE: [(&str, &str, &str); 31] = [
    ("login", "Username", ""),
    ("firstName", "First name", ""),
    ("lastName", "Last name", ""),
    ("middleName", "Middle name", ""),
    ("honorificPrefix", "Honorific prefix", ""),
    ("honorificSuffix", "Honorific suffix", ""),
    ("email", "Primary email", "email"),
    ("title", "Title", ""),
    ("displayName", "Display name", ""),
    ("nickName", "Nickname", ""),
    ("profileUrl", "Profile Url", "uri"),
    ("secondEmail", "Secondary email", "email"),
    ("mobilePhone", "Mobile phone", ""),
    ("primaryPhone", "Primary phone", ""),
    ("streetAddress", "Street address", ""),
    ("city", "City", ""),
    ("state", "State", ""),
    ("zipCode", "Zip code", ""),
    ("countryCode", "Country code", "country-code"),
    ("postalAddress", "Postal Address", ""),
    ("preferredLanguage", "Preferred language", "language-code"),
    ("locale", "Locale", "locale"),
    ("timezone", "Time zone", "timezone"),
    ("userType", "User type", ""),
    ("employeeNumber", "Employee number", ""),
    ("costCenter", "Cost center", ""),
    ("organization", "Organization", ""),
    ("division", "Division", ""),
    ("department", "Department", ""),
    ("managerId", "ManagerId", ""),
    ("manager", "Manager", ""),
];

/// Custom attributes: okta has no base attribute for a start date or a picture.
const CUSTOM: [(&str, &str, &str); 2] = [
    ("startDate", "Start date", "First working day, YYYY-MM-DD"),
    ("picture", "Picture", "URL of a photo"),
];

/// First and last names are optional in this org: somebody has one name.
const REQUIRED: [&str; 2] = ["login", "email"];

/// Shortest and longest values, where Okta limits them.
const LENGTHS: [(&str, Option<u32>, u32); 5] = [
    ("login", Some(5), 100),
    ("firstName", Some(1), 50),
    ("lastName", Some(1), 50),
    ("mobilePhone", None, 100),
    ("primaryPhone", None, 100),
];

impl Org {
    pub(crate) fn meta(&mut self, call: &Call<'_>) -> Answer {
        let schema = self.ids.id(Kind::Schema, 0).to_string();
        let user_type = self.ids.id(Kind::Type, 0).to_string();
        if call.method != Method::GET {
            return self.wrong_method();
        }
        match &call.parts[1..] {
            ["schemas", "user", "linkedObjects"] => Answer::value(&self.relations()),
            ["schemas", "user", id] if *id == "default" || *id == schema => {
                Answer::value(&self.schema())
            }
            ["schemas", "user", id] => self.not_found(id, "UserSchema"),
            ["types", "user"] => Answer::value(&json!([self.user_type()])),
            ["types", "user", id] if *id == "default" || *id == user_type => {
                Answer::value(&self.user_type())
            }
            ["types", "user", id] => self.not_found(id, "UserType"),
            _ => self.no_such_path(),
        }
    }

    fn schema(&self) -> Value {
        let at = stamp::text(self.created);
        let base: Map<String, Value> = BASE
            .iter()
            .map(|(name, title, format)| {
                let mut field = attribute(title);
                if let Some(map) = field.as_object_mut() {
                    if !format.is_empty() {
                        map.insert("format".to_owned(), json!(format));
                    }
                    if let Some((_, least, most)) =
                        LENGTHS.iter().find(|(known, _, _)| known == name)
                    {
                        map.extend(least.map(|least| ("minLength".to_owned(), json!(least))));
                        map.insert("maxLength".to_owned(), json!(most));
                    }
                    if REQUIRED.contains(name) {
                        map.insert("required".to_owned(), json!(true));
                    }
                }
                ((*name).to_owned(), field)
            })
            .collect();
        let custom: Map<String, Value> = CUSTOM
            .iter()
            .map(|(name, title, description)| {
                let mut field = attribute(title);
                if let Some(map) = field.as_object_mut() {
                    map.insert("description".to_owned(), json!(description));
                }
                ((*name).to_owned(), field)
            })
            .collect();
        json!({
            "id": format!("{}/meta/schemas/user/default", self.base),
            "$schema": "http://json-schema.org/draft-04/schema#",
            "name": "user",
            "title": "User",
            "lastUpdated": &at,
            "created": &at,
            "definitions": {
                "custom": { "id": "#custom", "type": "object", "properties": custom, "required": [] },
                "base": { "id": "#base", "type": "object", "properties": base, "required": REQUIRED }
            },
            "type": "object",
            "properties": {
                "profile": { "allOf": [
                    { "$ref": "#/definitions/custom" }, { "$ref": "#/definitions/base" }
                ] }
            },
            "_links": { "self": {
                "rel": "self",
                "href": format!("{}/api/v1/meta/schemas/user/{}", self.base, self.ids.id(Kind::Schema, 0)),
                "method": "GET"
            } }
        })
    }

    fn user_type(&self) -> Value {
        let (at, id) = (stamp::text(self.created), self.ids.id(Kind::Type, 0));
        let system = self.system_actor();
        json!({
            "id": id.as_str(),
            "displayName": "User",
            "name": "user",
            "description": "Okta user profile template with default permission settings",
            "createdBy": &system.id,
            "lastUpdatedBy": &system.id,
            "created": &at,
            "lastUpdated": &at,
            "default": true,
            "_links": {
                "schema": {
                    "rel": "schema",
                    "href": format!("{}/api/v1/meta/schemas/user/{}", self.base, self.ids.id(Kind::Schema, 0)),
                    "method": "GET"
                },
                "self": {
                    "rel": "self",
                    "href": format!("{}/api/v1/meta/types/user/{id}", self.base),
                    "method": "GET"
                }
            }
        })
    }

    fn relations(&self) -> Value {
        json!([{
            "primary": {
                "name": RELATIONS[0], "title": "Manager", "description": "The person one reports to",
                "type": "USER"
            },
            "associated": {
                "name": RELATIONS[1], "title": "Subordinate", "description": "People who report to one",
                "type": "USER"
            },
            "_links": { "self": {
                "href": format!("{}/api/v1/meta/schemas/user/linkedObjects/{}", self.base, RELATIONS[0])
            } }
        }])
    }
}

fn attribute(title: &str) -> Value {
    json!({
        "title": title,
        "type": "string",
        "mutability": "READ_WRITE",
        "scope": "NONE",
        "permissions": [{ "principal": "SELF", "action": "READ_ONLY" }]
    })
}
