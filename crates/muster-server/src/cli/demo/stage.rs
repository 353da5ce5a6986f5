//! What a demo plays on: a simulated Okta, a database of its own, and a tenant connected by the code of the commands.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_core::id::RunId;
use muster_core::person::{Email, Role, Status};
use muster_core::rules::ManagerMode;
use muster_core::run::{RunCause, RunKind};
use muster_core::tenant::TenantSlug;
use muster_okta::address::{ExtraHosts, OktaAddress};
use muster_oktasim::org::{FIRST_OWNER, HandMade, hand_made};
use muster_oktasim::{AppChange, LoginMode, OrgHandle, Preset, RunningSim, Sim, SimConfig};
use muster_store::accounts::NewAccount;
use muster_store::connection::ConnectionUpdate;
use muster_store::history::By;
use muster_store::people::PersonKey;
use muster_store::runs::{NewRun, Run};
use muster_store::tenants::{NewTenant, Tenant};
use muster_store::{DatabaseUrl, TenantDb};
use secrecy::SecretString;

use super::Demo;
use super::service::{LOG_POLL, Serving, any_port};
use crate::app::App;
use crate::cli::exit::CliError;
use crate::cli::output::Out;
use crate::cli::tenant::{LINK, link_of};
use crate::cli::{Why, by, okta_hook, sync};
use crate::clock::Clock;
use crate::config::{Config, MasterKeyFile, temporary_folder};
use crate::signin::Token;
use crate::sync::Engine;

/// The tenant of the demo.
pub(super) const SUB: &str = "fernhill";

/// Rules that show what rules can do.
const RULES: &str = r#"# Accounts may be linked by e-mail only inside these.
email_domains = ["fernhill.example", "northbeck.example"]
# Enabled in this tenant; the first is the default. Portuguese is not among them.
languages = ["en-GB", "en-US", "de", "fr", "pl", "ja"]
time_zone = "Europe/London"

[[exclude]]
attribute = "userType"
is = "Contractor"
"#;

/// Everything a demo needs. The simulator ends with it; the folder goes away unless somebody named it.
pub(super) struct Stage {
    pub(super) sim: RunningSim,
    pub(super) app: App,
    pub(super) engine: Engine,
    pub(super) tenant: Tenant,
    pub(super) db: TenantDb,
    serving: Option<Serving>,
    folder: Folder,
    database: DatabaseUrl,
}

impl Stage {
    /// Starts the simulator, makes the tenant and connects it.
    pub(super) async fn set(demo: &Demo, config: Config) -> Result<Self, CliError> {
        let folder = Folder::make(demo.data.as_deref())?;
        let database = DatabaseUrl::file(folder.path.join("muster.db"));
        let sim_config = SimConfig {
            port: demo.port,
            people: demo.people,
            seed: demo.seed,
            limits: Preset::None,
            ..SimConfig::default()
        };
        let sim = Sim::start(sim_config).await.map_err(anyhow::Error::from)?;
        let config = Config {
            database_url: database.clone(),
            master_key: MasterKeyFile::Beside(folder.path.join("master.key")),
            okta_extra_hosts: ExtraHosts::parse(&sim.address().to_string())
                .map_err(anyhow::Error::from)?,
            listen: any_port(),
            log_poll: Some(LOG_POLL),
            // Nothing leaves this machine, and nobody else's port is taken.
            ops_listen: None,
            trusted_proxies: Vec::new(),
            smtp_url: None,
            otlp_url: None,
            ..config
        };
        let mut app = App::open(config, Clock::Wall).await?;
        let engine = app.engine()?;
        let actor = app.actor();
        let tenant = found(&mut app, by(&actor, None), &sim).await?;
        let db = app.db.tenant(tenant.id);
        Ok(Self { sim, app, engine, tenant, db, serving: None, folder, database })
    }

    /// The simulated org, as its administrator has it.
    pub(super) fn org(&self) -> &OrgHandle {
        self.sim.org()
    }

    /// The present moment.
    pub(super) fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    /// Asks for a run and waits for its end.
    pub(super) async fn run(&self, kind: RunKind) -> Result<Run, CliError> {
        let id: RunId = self.engine.id(self.now());
        let new =
            NewRun { id, kind, cause: RunCause::Cli, actor: self.app.actor(), approves: None };
        let requested = self.engine.request(&self.db, &new).await?;
        sync::wait(&self.engine, &self.tenant, &self.db, requested.run).await
    }

    /// Begins to serve, unless it does already.
    pub(super) async fn serve(&mut self) -> Result<(), CliError> {
        if self.serving.is_none() {
            self.serving = Some(Serving::start(&mut self.app).await?);
            self.register();
        }
        Ok(())
    }

    /// Enters the addresses of the service at the app in Okta, as an administrator does by the article.
    fn register(&self) {
        let url = self.app.config.public_url.of_tenant(SUB);
        let at = |path: &str| format!("{url}{path}");
        self.sim.org().change_app(AppChange {
            redirect_uris: Some(vec![
                at("/en-US/okta/auth_callback"),
                at("/users/auth/okta/callback"),
            ]),
            post_logout_redirect_uris: Some(vec![at("/signed-out")]),
            initiate_login_uri: Some(at("/users/auth/okta")),
            idp_initiated_login: Some(LoginMode::Spec),
            global_token_revocation_uri: Some(at("/users/auth/okta/global-token-revocation")),
            ..AppChange::default()
        });
    }

    /// A link with which the first owner sets a password.
    async fn owner_link(&mut self) -> Result<String, CliError> {
        let (token, now) = (Token::new(), self.app.clock.now());
        let (ends_at, actor) = (now + LINK, self.app.actor());
        let key = PersonKey::Email(FIRST_OWNER.to_owned());
        let ids = &mut self.app.ids;
        let hash = token.hash("link");
        self.db.make_password_link(&key, &hash, ends_at, by(&actor, None), ids, now).await?;
        Ok(link_of(&self.app.config, &self.tenant.slug, &token))
    }

    /// Stops serving, and waits until it is done.
    pub(super) async fn stop_serving(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.stop().await;
        }
    }

    /// Makes the event hook as the command does; gives its id and how many types of events it is for.
    pub(super) async fn make_hook(&mut self) -> Result<(String, usize), CliError> {
        let why = Why { reason: None };
        let slug = self.tenant.slug.clone();
        let attempt = okta_hook::attempt(&mut self.app, &slug, &self.db, &why).await?;
        let made = attempt.made.map_err(|error| CliError::Failed(error.to_string()))?;
        if !made.hook.is_active() || !made.hook.is_verified() {
            return Err(CliError::Failed("Okta did not verify the event hook".to_owned()));
        }
        Ok((made.hook.id.clone(), made.hook.event_types().len()))
    }

    /// How to go on by hand while the simulator and the service are up.
    pub(super) async fn invite(&mut self, out: &mut Out) -> Result<(), CliError> {
        let owner_link = self.owner_link().await?;
        let host = self.sim.address();
        let config = &self.app.config;
        let (base, service) = (self.sim.base(), config.public_url.of_tenant(SUB));
        if out.json {
            return out.object(&serde_json::json!({
                "act": "serving", "base": base, "url": service, "listen": config.listen.to_string(),
                "owner": FIRST_OWNER, "owner_link": owner_link, "dashboard": format!("{base}/app/UserHome"),
                "env": {
                    "MUSTER_DATABASE_URL": self.database.to_string(),
                    "MUSTER_OKTA_EXTRA_HOSTS": host.to_string(),
                    "MUSTER_PUBLIC_URL": config.public_url.to_string(),
                }
            }));
        }
        let admin = format!("muster-oktasim admin --base {base}");
        let who = self.somebody().await?;
        for line in [
            "",
            "Now you. Both stay up until Ctrl-C:",
            &format!("  okta     {base}"),
            &format!("  muster   {service}"),
            "",
            &format!(
                "  # In a browser, as the owner {FIRST_OWNER}: set a password, sign in, connect Okta:"
            ),
            &format!("  {owner_link}"),
            "  # As anybody else: sign in with Okta from there, or from Okta's dashboard:",
            &format!("  {base}/app/UserHome"),
            "",
            "  # In another terminal:",
            &format!("  export MUSTER_DATABASE_URL={}", self.database),
            &format!("  export MUSTER_OKTA_EXTRA_HOSTS={host}"),
            &format!("  export MUSTER_PUBLIC_URL={}", config.public_url),
            &format!("  okta() {{ {admin} \"$@\"; }}"),
            "",
            "  # Be Okta's administrator, and watch the change arrive by hook:",
            "  okta people",
            &format!("  okta update {who} title='Team Lead'"),
            &format!("  muster people show {SUB} {who}"),
            &format!("  okta suspend {who}"),
            &format!("  muster run list {SUB}"),
            "",
            &format!(
                "  # Lose the next call of the hook; the log shows it within {} s:",
                LOG_POLL.as_secs()
            ),
            "  okta settings '{\"hooks\":{\"drop_next\":1}}'",
            &format!("  okta unsuspend {who}"),
            &format!("  muster people show {SUB} {who}"),
            "",
            "  # And the whole of it:",
            &format!("  muster okta check {SUB}"),
            &format!("  muster okta show {SUB}"),
            &format!("  muster okta sync {SUB}"),
        ] {
            out.line(line)?;
        }
        if self.folder.kept {
            out.line("")?;
            out.line(format!("The database stays in {}.", self.folder.path.display()))?;
        }
        Ok(())
    }

    /// An address to try things with.
    async fn somebody(&self) -> Result<String, CliError> {
        let page = self.db.people_page(ManagerMode::Off, Some(Status::Active), "", 200).await?;
        let mut people =
            page.into_iter().filter(|person| person.managed && person.role == Role::Learner);
        let somebody = people.next().map(|person| person.email);
        Ok(somebody.unwrap_or_else(|| "SOMEBODY".to_owned()))
    }

    /// Ends all of it in order: the database must be closed before its folder goes away.
    pub(super) async fn close(mut self) {
        self.stop_serving().await;
        self.app.db.close().await;
    }
}

/// Makes the tenant as the commands do, one after another.
async fn found(app: &mut App, by: By<'_>, sim: &RunningSim) -> Result<Tenant, CliError> {
    let now = app.clock.now();
    let new = NewTenant {
        owner_link: None,
        slug: TenantSlug::parse(SUB).map_err(anyhow::Error::from)?,
        name: "Fernhill Group".to_owned(),
        owner: Email::parse(FIRST_OWNER).map_err(anyhow::Error::from)?,
        rules: RULES.to_owned(),
    };
    let tenant = app.db.create_tenant(&new, by, &mut app.ids, now).await?;
    let db = app.db.tenant(tenant.id);
    let accounts = sim.org().with(|org| hand_made(org));
    let accounts = accounts.iter().map(account).collect::<Result<Vec<_>, CliError>>()?;
    if !accounts.is_empty() {
        db.add_people(&accounts, by, &mut app.ids, now).await?;
    }
    db.set_okta_enabled(true, by, &mut app.ids, now).await?;
    let address = OktaAddress::parse(sim.base(), &app.config.okta_extra_hosts, false)
        .map_err(anyhow::Error::from)?;
    let update = ConnectionUpdate {
        api_url: Some(address.address.to_string()),
        client_id: Some(sim.client_id()),
        app_id: Some(sim.app_id()),
        client_secret: Some(SecretString::from(sim.client_secret())),
        api_token: Some(SecretString::from(sim.api_token())),
    };
    db.set_connection(update, by, &mut app.ids, now).await?;
    Ok(db.tenant().await?)
}

fn account(made: &HandMade) -> Result<NewAccount, CliError> {
    let email = Email::parse(&made.email).map_err(anyhow::Error::from)?;
    let role = Role::parse(made.role).unwrap_or(Role::Learner);
    Ok(NewAccount {
        first_name: made.first.clone(),
        last_name: made.last.clone(),
        title: made.title.clone(),
        start_date: made.start_date.as_deref().and_then(|date| date.parse().ok()),
        employee_number: made.employee_number.clone(),
        ..NewAccount::new(email, role)
    })
}

/// The folder of the database.
struct Folder {
    path: PathBuf,
    kept: bool,
}

impl Folder {
    fn make(named: Option<&Path>) -> Result<Self, CliError> {
        if let Some(path) = named {
            if path.join("muster.db").exists() {
                return Err(CliError::Usage(format!(
                    "there is a database in {} already: name another folder, or remove it",
                    path.display()
                )));
            }
            return Ok(Self { path: path.to_owned(), kept: true });
        }
        let seed = crate::clock::random_seed();
        let name = u64::from_le_bytes(std::array::from_fn(|at| seed[at]));
        Ok(Self { path: temporary_folder().join(format!("muster-demo-{name:016x}")), kept: false })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed is left to whoever clears the temporary folder.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
