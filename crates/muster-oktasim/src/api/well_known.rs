//! What an org says about itself without credentials.

use http::Method;
use serde_json::{Value, json};

use super::answer::Answer;
use crate::ids::Kind;
use crate::state::Org;
use crate::state::keys::Server;

impl Org {
    pub(crate) fn well_known(&mut self, method: &Method, path: &str) -> Answer {
        if method != Method::GET {
            return self.wrong_method();
        }
        match path {
            "/.well-known/okta-organization" => Answer::value(&self.organization()),
            "/.well-known/openid-configuration" => self.publish(Server::Org),
            "/oauth2/default/.well-known/openid-configuration"
            | "/oauth2/default/.well-known/oauth-authorization-server" => {
                self.publish(Server::Custom)
            }
            "/oauth2/v1/keys" => self.show_keys(Server::Org),
            "/oauth2/default/v1/keys" => self.show_keys(Server::Custom),
            _ => self.no_such_path(),
        }
    }

    /// Source of the header: recorded discovery documents.
    fn publish(&mut self, server: Server) -> Answer {
        if server == Server::Custom && !self.settings.custom_server {
            return self.not_bought();
        }
        Answer::value(&self.discovery(server))
            .with("cache-control", "max-age=86400, must-revalidate")
    }

    /// Source of the header: a recorded key set, which may be kept until the next rotation.
    fn show_keys(&mut self, server: Server) -> Answer {
        if server == Server::Custom && !self.settings.custom_server {
            return self.not_bought();
        }
        Answer::value(&self.key_set(server))
            .with("cache-control", "max-age=3828277, must-revalidate")
    }

    /// What an org without custom authorization servers says. Source: recorded error of a feature that an org lacks.
    pub(crate) fn not_bought(&mut self) -> Answer {
        let text = "You do not have permission to access the feature you are requesting";
        self.error(401, "E0000015", text, &[])
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

    /// Discovery of an authorization server. Source: recorded and documented discovery documents.
    fn discovery(&self, server: Server) -> Value {
        let base = &self.base;
        let own = format!("{base}{}/v1", server.prefix());
        let ways = [
            "client_secret_basic",
            "client_secret_post",
            "client_secret_jwt",
            "private_key_jwt",
            "none",
        ];
        json!({
            "issuer": self.issuer(server),
            "authorization_endpoint": format!("{own}/authorize"),
            "token_endpoint": format!("{own}/token"),
            "userinfo_endpoint": format!("{own}/userinfo"),
            "registration_endpoint": format!("{base}/oauth2/v1/clients"),
            "jwks_uri": format!("{own}/keys"),
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
            "introspection_endpoint": format!("{own}/introspect"),
            "introspection_endpoint_auth_methods_supported": ways,
            "revocation_endpoint": format!("{own}/revoke"),
            "revocation_endpoint_auth_methods_supported": ways,
            "end_session_endpoint": format!("{own}/logout"),
            "request_parameter_supported": true,
            "request_object_signing_alg_values_supported": [
                "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512"
            ],
            "device_authorization_endpoint": format!("{own}/device/authorize"),
            "pushed_authorization_request_endpoint": format!("{own}/par")
        })
    }
}
