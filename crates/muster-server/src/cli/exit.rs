//! How a command ends: its exit code, and what went wrong in words.

use std::process::ExitCode;

use muster_core::problem::ProblemCode;
use muster_core::run::RunState;
use muster_store::StoreError;
use muster_store::runs::Run;

use crate::app::OpenError;
use crate::config::Problem;
use crate::sync::RunError;

/// The exit codes that scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    /// Wrong usage or configuration; nothing was changed.
    Usage = 2,
    /// Done, but removals wait for approval.
    Held = 3,
    /// Okta refused the credentials or rights.
    Refused = 4,
    /// The listing was incomplete: nobody was removed.
    Incomplete = 5,
    /// Stopped from the keyboard, as shells number it.
    Interrupted = 130,
}

impl Exit {
    /// How a run that ended turned out.
    pub fn of_run(run: &Run) -> Self {
        let refused = |code: ProblemCode| {
            matches!(code, ProblemCode::TokenRefused | ProblemCode::RightsMissing)
        };
        match run.state {
            RunState::Done | RunState::Discarded => Self::Done,
            RunState::Held => Self::Held,
            RunState::Incomplete => Self::Incomplete,
            RunState::Failed if run.problems.iter().any(|problem| refused(problem.code)) => {
                Self::Refused
            }
            RunState::Failed | RunState::Queued | RunState::Running => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Something is wrong with what was asked for; the text says what.
    #[error("{0}")]
    Usage(String),
    /// Okta refused the credentials or rights; the text says which, and what to do.
    #[error("{0}")]
    Refused(String),
    /// It did not work; the text says why.
    #[error("{0}")]
    Failed(String),
    /// Something is wrong with the configuration.
    #[error("the configuration is wrong")]
    Config(Vec<Problem>),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Run(#[from] RunError),
    /// Somebody pressed Ctrl-C; the text says how things stand.
    #[error("{0}")]
    Interrupted(String),
    #[error("cannot write the result")]
    Output(#[source] std::io::Error),
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl CliError {
    /// A mistake of the caller.
    pub fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// The exit code for it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_)
            | Self::Config(_)
            | Self::Open(OpenError::MasterKey { .. } | OpenError::LostMasterKey { .. })
            | Self::Run(RunError::NotConnected(_) | RunError::NoSuchRun(_)) => Exit::Usage,
            Self::Open(OpenError::Store(error))
            | Self::Store(error)
            | Self::Run(RunError::Store(error)) => of_store(error),
            Self::Interrupted(_) => Exit::Interrupted,
            Self::Refused(_) => Exit::Refused,
            Self::Open(OpenError::Other(_) | OpenError::Listen { .. })
            | Self::Run(RunError::Rules { .. })
            | Self::Output(_)
            | Self::Failed(_)
            | Self::Other(_) => Exit::Failed,
        }
    }

    /// What to print on stderr: a line for each thing that is wrong, with its causes.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Config(problems) => problems.iter().map(ToString::to_string).collect(),
            other => vec![chain(other)],
        }
    }
}

fn of_store(error: &StoreError) -> Exit {
    match error {
        StoreError::BadUrl { .. }
        | StoreError::Folder { .. }
        | StoreError::NotOurs { .. }
        | StoreError::TooNew { .. }
        | StoreError::WrongMasterKey { .. }
        | StoreError::BadMasterKey(_)
        | StoreError::SealBroken { .. }
        | StoreError::Conflict(_)
        | StoreError::NotFound(_)
        | StoreError::Taken(_)
        | StoreError::LastOwner
        | StoreError::NoTenant(_) => Exit::Usage,
        _ => Exit::Failed,
    }
}

/// An error and what caused it, on one line. Texts that their cause repeats are shown once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}
