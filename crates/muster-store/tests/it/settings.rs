//! Tenants, rules, connections, secrets.

use muster_core::id::TenantId;
use muster_core::person::{Email, Role, Status};
use muster_core::tenant::TenantSlug;
use muster_store::connection::{self, ConnectionUpdate, OktaConnection};
use muster_store::people::PersonKey;
use muster_store::secrets::SecretField;
use muster_store::tenants::NewTenant;
use muster_store::{DatabaseUrl, StoreError, TenantDb};
use secrecy::{ExposeSecret, SecretString};

use crate::world::{ANA, KEY, OTHER_KEY, World};

pub(crate) async fn another_master_key_is_refused_and_changes_nothing(world: &mut World) {
    if world.url == DatabaseUrl::memory() {
        return;
    }
    let tenant = world.tenant("acme").await;
    connect(world, &tenant).await;
    let error = world.open(&[OTHER_KEY]).await.expect_err("another key");
    assert!(matches!(error, StoreError::WrongMasterKey { .. }), "{error:?}");
    assert!(error.to_string().contains("MUSTER_MASTER_KEY_FILE"), "{error}");
    let db = world.open(&[KEY]).await.expect("the same key");
    let token = db.tenant(tenant.id()).secret(SecretField::ApiToken, "acme.okta.com").await;
    assert_eq!(token.expect("a secret").expect("stored").expose_secret(), "t0ken");
}

pub(crate) async fn a_master_key_can_be_renewed(world: &mut World) {
    if world.url == DatabaseUrl::memory() {
        return;
    }
    let tenant = world.tenant("acme").await;
    connect(world, &tenant).await;
    let both = world.open(&[OTHER_KEY, KEY]).await.expect("both keys");
    let handle = both.tenant(tenant.id());
    let token = handle.secret(SecretField::ApiToken, "acme.okta.com").await.expect("a secret");
    assert_eq!(token.expect("stored").expose_secret(), "t0ken");
    // The old key may go only once nothing is sealed with it any more.
    let error = world.open(&[OTHER_KEY]).await.expect_err("a key is missing");
    assert!(matches!(error, StoreError::WrongMasterKey { .. }), "{error:?}");
    let again = ConnectionUpdate {
        client_secret: Some(SecretString::from("s3cret")),
        api_token: Some(SecretString::from("t0ken")),
        ..ConnectionUpdate::default()
    };
    handle.set_connection(again, ANA, &mut world.ids, world.now).await.expect("set");
    let new = world.open(&[OTHER_KEY]).await.expect("the new key alone");
    let token = new.tenant(tenant.id()).secret(SecretField::ApiToken, "acme.okta.com").await;
    assert_eq!(token.expect("a secret").expect("stored").expose_secret(), "t0ken");
}

pub(crate) async fn a_tenant_begins_with_rules_and_an_owner(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let row = tenant.tenant().await.expect("a tenant");
    assert_eq!((row.name.as_str(), row.okta_enabled, row.rules_revision), ("acme Ltd", false, 1));
    let rules = tenant.rules().await.expect("rules");
    assert_eq!((rules.revision, rules.actor.as_str()), (1, "os:ana"));
    let owner = tenant
        .find_person(&PersonKey::parse("OLGA@acme.example").expect("a key"))
        .await
        .expect("a query")
        .expect("an owner");
    assert_eq!(
        (owner.role, owner.profile.status, owner.is_managed()),
        (Role::Owner, Status::Active, false)
    );
    let kinds: Vec<_> = tenant
        .history(None, 10)
        .await
        .expect("history")
        .into_iter()
        .rev()
        .map(|entry| (entry.seq, entry.subject, entry.kind))
        .collect();
    let want = [(1, "settings", "create"), (2, "rules", "replace"), (3, "person", "create")];
    assert_eq!(kinds, want.map(|(seq, subject, kind)| (seq, subject.to_owned(), kind.to_owned())));
    assert_eq!(row.history_seq, 3);
    let again = NewTenant {
        owner_link: None,
        slug: TenantSlug::parse("acme").expect("a slug"),
        name: "Another".into(),
        owner: Email::parse("bo@other.example").expect("an address"),
        rules: String::new(),
    };
    let error =
        world.db.create_tenant(&again, ANA, &mut world.ids, world.now).await.expect_err("taken");
    assert_eq!(error.to_string(), "there is already a tenant acme");
    world.tenant("abba").await;
    let slugs: Vec<_> =
        world.db.tenants().await.expect("tenants").into_iter().map(|t| t.slug).collect();
    assert_eq!(slugs.iter().map(TenantSlug::as_str).collect::<Vec<_>>(), ["abba", "acme"]);
    let unknown = world.db.tenant_by_slug(&TenantSlug::parse("nobody").expect("a slug")).await;
    assert_eq!(unknown.expect("a query"), None);
}

pub(crate) async fn the_switch_is_turned_once(world: &mut World) {
    let tenant = world.tenant("acme").await;
    for (enabled, turned) in [(true, true), (true, false), (false, true), (false, false)] {
        let done = tenant.set_okta_enabled(enabled, ANA, &mut world.ids, world.now).await;
        assert_eq!(done.expect("a change"), turned);
        assert_eq!(tenant.tenant().await.expect("a tenant").okta_enabled, enabled);
    }
    let entries = tenant
        .history_of(muster_store::history::Subject::Settings, None, 10)
        .await
        .expect("history");
    let kinds: Vec<_> = entries.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["disable", "enable", "create"]);
}

pub(crate) async fn rules_are_replaced_and_kept(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let first = tenant.rules().await.expect("rules").body;
    let body = "# by hand\nmanager = \"team\"\n";
    for want in [2, 2] {
        let revision =
            tenant.replace_rules(body, ANA, &mut world.ids, world.now).await.expect("rules");
        assert_eq!(revision, want);
    }
    let present = tenant.rules().await.expect("rules");
    assert_eq!((present.revision, present.body.as_str()), (2, body));
    assert_eq!(tenant.tenant().await.expect("a tenant").rules_revision, 2);
    assert_eq!(tenant.rules_at(1).await.expect("rules").map(|rules| rules.body), Some(first));
    assert_eq!(tenant.rules_at(3).await.expect("rules"), None);
}

async fn connect(world: &mut World, tenant: &TenantDb) {
    let update = ConnectionUpdate {
        api_url: Some("https://acme.okta.com".into()),
        client_id: Some("0oa1".into()),
        app_id: None,
        client_secret: Some(SecretString::from("s3cret")),
        api_token: Some(SecretString::from("t0ken")),
    };
    tenant.set_connection(update, ANA, &mut world.ids, world.now).await.expect("a connection");
}

async fn opened(tenant: &TenantDb, field: SecretField, host: &str) -> Option<String> {
    let secret = tenant.secret(field, host).await.expect("a secret that opens");
    secret.map(|secret| secret.expose_secret().to_owned())
}

pub(crate) async fn secrets_open_for_their_host_only(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let other = world.tenant("other").await;
    assert_eq!(opened(&tenant, SecretField::ApiToken, "acme.okta.com").await, None);
    connect(world, &tenant).await;
    assert_eq!(
        opened(&tenant, SecretField::ApiToken, "acme.okta.com").await.as_deref(),
        Some("t0ken")
    );
    assert_eq!(
        opened(&tenant, SecretField::ClientSecret, "acme.okta.com").await.as_deref(),
        Some("s3cret")
    );
    let elsewhere = tenant.secret(SecretField::ApiToken, "evil.okta.com").await;
    assert!(matches!(elsewhere, Err(StoreError::SealBroken { .. })), "{elsewhere:?}");
    // A row that is copied to another tenant or field does not open there.
    let copy =
        "INSERT INTO secrets (tenant_id, field, host, key_id, nonce, ciphertext, set_at, set_by)
                SELECT $1, $2, host, key_id, nonce, ciphertext, set_at, set_by FROM secrets
                WHERE tenant_id = $3 AND field = 'api_token'";
    for (to, field) in [(&other, SecretField::ApiToken), (&tenant, SecretField::HookSecret)] {
        let args = [to.id().into(), field.as_str().into(), tenant.id().into()];
        world.db.execute(copy, &args).await.expect("a copied row");
        let moved = to.secret(field, "acme.okta.com").await;
        assert!(matches!(moved, Err(StoreError::SealBroken { .. })), "{moved:?}");
    }
    let told: Vec<_> = tenant
        .secrets()
        .await
        .expect("secrets")
        .into_iter()
        .map(|info| (info.field, info.set_by))
        .collect();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|(_, by)| by == "os:ana"));
    let history =
        serde_json::to_string(&tenant.history(None, 50).await.expect("history")).expect("json");
    assert!(
        history.contains("api_token") && !history.contains("t0ken") && !history.contains("s3cret"),
        "{history}"
    );
    let hook = SecretString::from("h00k");
    tenant
        .set_own_secret(SecretField::HookSecret, &hook, ANA, &mut world.ids, world.now)
        .await
        .expect("set");
    assert_eq!(opened(&tenant, SecretField::HookSecret, "").await.as_deref(), Some("h00k"));
}

pub(crate) async fn another_host_needs_the_secrets_again(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let early = ConnectionUpdate {
        api_token: Some(SecretString::from("x")),
        ..ConnectionUpdate::default()
    };
    let error = tenant
        .set_connection(early, ANA, &mut world.ids, world.now)
        .await
        .expect_err("no host yet");
    assert!(error.to_string().contains("--api-url"), "{error}");
    connect(world, &tenant).await;
    let seq = tenant.tenant().await.expect("a tenant").history_seq;
    let moved = || ConnectionUpdate {
        api_url: Some("https://evil.okta.com".into()),
        ..ConnectionUpdate::default()
    };
    let half = ConnectionUpdate { api_token: Some(SecretString::from("new")), ..moved() };
    for (update, missing) in
        [(moved(), "--client-secret and --api-token"), (half, "give --client-secret again")]
    {
        let error = tenant
            .set_connection(update, ANA, &mut world.ids, world.now)
            .await
            .expect_err("refused");
        assert!(error.to_string().contains(missing), "{error}");
        assert_eq!(tenant.connection().await.expect("a connection").host(), Some("acme.okta.com"));
        assert_eq!(
            opened(&tenant, SecretField::ApiToken, "acme.okta.com").await.as_deref(),
            Some("t0ken")
        );
        assert_eq!(tenant.tenant().await.expect("a tenant").history_seq, seq);
    }
    let both = ConnectionUpdate {
        client_secret: Some(SecretString::from("s2")),
        api_token: Some(SecretString::from("t2")),
        ..moved()
    };
    tenant.set_connection(both, ANA, &mut world.ids, world.now).await.expect("set");
    assert_eq!(
        opened(&tenant, SecretField::ApiToken, "evil.okta.com").await.as_deref(),
        Some("t2")
    );
    // One value alone leaves the others.
    let one = ConnectionUpdate { app_id: Some("0oapp".into()), ..ConnectionUpdate::default() };
    let now = tenant.set_connection(one, ANA, &mut world.ids, world.now).await.expect("set");
    assert_eq!((now.client_id.as_deref(), now.app_id.as_deref()), (Some("0oa1"), Some("0oapp")));
    assert_eq!(tenant.connection().await.expect("a connection"), now);
}

pub(crate) async fn attention_is_noted_and_seen_to(world: &mut World) {
    let tenant = world.tenant("acme").await;
    assert_eq!(tenant.connection().await.expect("a connection"), OktaConnection::default());
    connect(world, &tenant).await;
    let mut write = tenant.write(world.now).await.expect("a change");
    connection::set_attention(&mut write, Some("token_refused")).await.expect("noted");
    connection::set_org_id(&mut write, "00o1").await.expect("noted");
    write.commit().await.expect("commit");
    let seen = tenant.connection().await.expect("a connection");
    assert_eq!(
        (seen.attention.as_deref(), seen.attention_at),
        (Some("token_refused"), Some(world.now))
    );
    assert_eq!(seen.org_id.as_deref(), Some("00o1"));
    connect(world, &tenant).await;
    let seen = tenant.connection().await.expect("a connection");
    assert_eq!(
        (seen.attention, seen.attention_at, seen.org_id.as_deref()),
        (None, None, Some("00o1"))
    );
    let nobody: TenantId = world.nobody();
    assert_eq!(
        world.db.tenant(nobody).connection().await.expect("a connection"),
        OktaConnection::default()
    );
}
