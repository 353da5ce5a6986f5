//! What an org says about itself without credentials.

use http::Method;
use serde_json::{Value, json};

use super::answer::Answer;
use crate::ids::Kind;
use crate::state::Org;

impl Org {
    pub(crate) fn well_known(&mut self, method: &Method, path: &str) -> Answer {
        if method != Method::GET {
            return self.wrong_method();
        }
        match path {
            "/.well-known/okta-organization" => Answer::value(&self.organization()),
            "/.well-known/openid-configuration" => Answer::value(&self.discovery()),
            _ => self.no_such_path(),
        }
    }

    /// Source: recording of an Identity Engine org.
    fn organization(&self) -> Value {
        json!({
            "id": self.ids.id(Kind::Org, 0).as_str(),
            "cell": "op3",
            "pipeline": "idx",
            "settings": {
                "analyticsCollectionEnabled": false, "bugReportingEnabled": true, "omEnabled": false,
                "pssoEnabled": true, "desktopMFAEnabled": true, "itpEnabled": true
            },
            "_links": { "organization": { "href": self.base } }
        })
    }

    /// Discovery of the org authorization server. Source: recorded and documented discovery documents.
    fn discovery(&self) -> Value {
        let base = &self.base;
        let ways = [
            "client_secret_basic",
            "client_secret_post",
            "client_secret_jwt",
            "private_key_jwt",
            "none",
        ];
        json!({
            "issuer": base,
            "authorization_endpoint": format!("{base}/oauth2/v1/authorize"),
            "token_endpoint": format!("{base}/oauth2/v1/token"),
            "userinfo_endpoint": format!("{base}/oauth2/v1/userinfo"),
            "registration_endpoint": format!("{base}/oauth2/v1/clients"),
            "jwks_uri": format!("{base}/oauth2/v1/keys"),
            "response_types_supported": [
                "code", "id_token", "code id_token", "code token", "id_token token", "code id_token token"
            ],
            "response_modes_supported": ["query", "fragment", "form_post", "okta_post_message"],
            "grant_types_supported": [
                "authorization_code", "implicit", "refresh_token", "password",
                "urn:ietf:params:oauth:grant-type:device_code"
            ],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": [
                "openid", "email", "profile", "address", "phone", "offline_access", "groups"
            ],
            "token_endpoint_auth_methods_supported": ways,
            "claims_supported": [
                "iss", "ver", "sub", "aud", "iat", "exp", "jti", "auth_time", "amr", "idp", "nonce", "name",
                "nickname", "preferred_username", "given_name", "middle_name", "family_name", "email",
                "email_verified", "profile", "zoneinfo", "locale", "address", "phone_number", "picture",
                "website", "gender", "birthdate", "updated_at", "at_hash", "c_hash"
            ],
            "code_challenge_methods_supported": ["S256"],
            "introspection_endpoint": format!("{base}/oauth2/v1/introspect"),
            "introspection_endpoint_auth_methods_supported": ways,
            "revocation_endpoint": format!("{base}/oauth2/v1/revoke"),
            "revocation_endpoint_auth_methods_supported": ways,
            "end_session_endpoint": format!("{base}/oauth2/v1/logout"),
            "request_parameter_supported": true,
            "request_object_signing_alg_values_supported": [
                "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512"
            ],
            "device_authorization_endpoint": format!("{base}/oauth2/v1/device/authorize"),
            "pushed_authorization_request_endpoint": format!("{base}/oauth2/v1/par")
        })
    }
}
