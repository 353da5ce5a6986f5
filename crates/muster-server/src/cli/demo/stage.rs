//! What a demo plays on: a simulated Okta, a database of its own, and a tenant connected by the code of the commands.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_core::id::RunId;
use muster_core::person::{Email, Role};
use muster_core::run::{RunCause, RunKind};
use muster_core::tenant::TenantSlug;
use muster_okta::address::{ExtraHosts, OktaAddress};
use muster_oktasim::org::{FIRST_OWNER, HandMade, hand_made};
use muster_oktasim::{OrgHandle, Preset, RunningSim, Sim, SimConfig};
use muster_store::accounts::NewAccount;
use muster_store::connection::ConnectionUpdate;
use muster_store::history::By;
use muster_store::runs::{NewRun, Run};
use muster_store::tenants::{NewTenant, Tenant};
use muster_store::{DatabaseUrl, TenantDb};
use secrecy::SecretString;

use super::Demo;
use crate::app::App;
use crate::cli::exit::CliError;
use crate::cli::output::Out;
use crate::cli::{by, sync};
use crate::clock::Clock;
use crate::config::{Config, MasterKeyFile, temporary_folder};
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
            ..config
        };
        let mut app = App::open(config, Clock::Wall).await?;
        let engine = app.engine()?;
        let actor = app.actor();
        let tenant = found(&mut app, by(&actor, None), &sim).await?;
        let db = app.db.tenant(tenant.id);
        Ok(Self { sim, app, engine, tenant, db, folder, database })
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

    /// How to go on by hand while the simulator is up.
    pub(super) fn invite(&self, out: &mut Out) -> Result<(), CliError> {
        let host = self.sim.address();
        if out.json {
            return out.object(&serde_json::json!({
                "act": "serving", "base": self.sim.base(),
                "env": {"MUSTER_DATABASE_URL": self.database.to_string(), "MUSTER_OKTA_EXTRA_HOSTS": host.to_string()}
            }));
        }
        out.line("")?;
        out.line("Now you. The simulated Okta stays up until Ctrl-C. In another terminal:")?;
        out.line("")?;
        out.line(format!("  export MUSTER_DATABASE_URL={}", self.database))?;
        out.line(format!("  export MUSTER_OKTA_EXTRA_HOSTS={host}"))?;
        out.line(format!("  muster okta show {SUB}"))?;
        out.line(format!("  muster people list {SUB}"))?;
        out.line(format!("  muster run list {SUB}"))?;
        out.line("")?;
        out.line("  # Be Okta's administrator, then look what it would change, and change it:")?;
        let admin = format!("muster-oktasim admin --base {}", self.sim.base());
        out.line(format!("  {admin} people"))?;
        out.line(format!("  {admin} deactivate SOMEBODY@fernhill.example"))?;
        out.line(format!("  muster okta plan {SUB}"))?;
        out.line(format!("  muster okta sync {SUB}"))?;
        if self.folder.kept {
            out.line("")?;
            out.line(format!("The database stays in {}.", self.folder.path.display()))?;
        }
        Ok(())
    }

    /// Ends all of it in order: the database must be closed before its folder goes away.
    pub(super) async fn close(self) {
        self.app.db.close().await;
    }
}

/// Makes the tenant as the commands do, one after another.
async fn found(app: &mut App, by: By<'_>, sim: &RunningSim) -> Result<Tenant, CliError> {
    let now = app.clock.now();
    let new = NewTenant {
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
