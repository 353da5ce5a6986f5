//! Every planted case in one table: what the first run makes of it, and that the second leaves it so.

use std::collections::{BTreeMap, BTreeSet};

use muster_core::person::{Role, Status, StatusReason};
use muster_core::problem::ProblemCode::{self, *};
use muster_core::run::ChangeKind;
use muster_store::people_view::PersonView;
use serde_json::Value;

use super::planted;
use crate::support::{Ground, Stand, on_both_engines, problem, standing};

on_both_engines! {
    every_planted_case_comes_out_as_it_should,
    every_problem_is_told_with_its_cause,
}

/// What is to be seen of one person.
enum Want {
    /// An account fed by Okta. Active, a learner, with Okta's e-mail, team and city, and nothing odd, save what is said.
    Here(&'static [Fact]),
    /// No account of theirs: a person must decide, for this reason.
    Decide(ProblemCode),
    /// No account: a rule keeps them out.
    KeptOut,
    /// Not assigned: nothing is known of them.
    Unknown,
    /// Not assigned: the account made by hand stays as it is.
    ByHand(Role),
}

enum Fact {
    Is(Status, StatusReason),
    /// A row of the table of people, with this problem and no other.
    Odd(ProblemCode),
    Language(&'static str),
    Teamless,
    Team(&'static str),
    NoPlace,
    NoPhoto,
    Photo(&'static str),
    Starts(&'static str),
    NoStart,
    /// The manager is somebody of this case (its first person, second …).
    Led(&'static str, usize),
    /// The manager is whoever Okta's value names, by e-mail, login or number.
    LedAsOktaSays,
    Unled,
    First(&'static str),
    Last(&'static str),
    TitleOf(usize),
    Email(&'static str),
    /// The account that was made by hand.
    Linked,
}

use Fact::*;
use Want::*;

const IN: Fact = Is(Status::Active, StatusReason::Assigned);
const STAGED: Fact = Is(Status::NotYet, StatusReason::Staged);
const SUSPENDED: Fact = Is(Status::Deactivated, StatusReason::Suspended);

/// Case, person of the case (`ALL` for everybody), what is to be seen.
const ALL: usize = usize::MAX;
const TABLE: &[(&str, usize, Want)] = &[
    // Managers.
    ("manager-listed-later", 0, Here(&[Led("manager-listed-later", 1)])),
    ("manager-listed-later", 1, Here(&[LedAsOktaSays])),
    ("manager-not-assigned", ALL, Unknown),
    ("loop-of-two", 0, Here(&[Led("loop-of-two", 1)])),
    ("loop-of-two", 1, Here(&[Led("loop-of-two", 0)])),
    ("loop-of-three", 0, Here(&[Led("loop-of-three", 1)])),
    ("loop-of-three", 1, Here(&[Led("loop-of-three", 2)])),
    ("loop-of-three", 2, Here(&[Led("loop-of-three", 0)])),
    ("own-manager", ALL, Here(&[Unled])),
    ("nineteen-reports", ALL, Here(&[LedAsOktaSays])),
    ("manager-by-display-name", ALL, Here(&[Unled])),
    ("manager-by-employee-number", ALL, Here(&[LedAsOktaSays])),
    ("manager-deactivated", ALL, Unknown),
    // Teams, places, languages, pictures, names.
    ("no-department", ALL, Here(&[Teamless, Odd(NoTeam)])),
    ("department-spelling", ALL, Here(&[Team("Engineering")])),
    ("no-city", ALL, Here(&[NoPlace])),
    ("unknown-language", ALL, Here(&[Language("en-GB"), Odd(LanguageUnknown)])),
    ("language-not-enabled", ALL, Here(&[Language("en-GB"), Odd(LanguageNotEnabled)])),
    ("photo-missing", ALL, Here(&[Photo("https://photos.fernhill.example/missing/404.jpg")])),
    ("photo-too-large", ALL, Here(&[Photo("https://photos.fernhill.example/large/12mb.jpg")])),
    ("photo-not-https", ALL, Here(&[NoPhoto, Odd(PhotoNotHttps)])),
    ("single-name", ALL, Here(&[Last("")])),
    (
        "right-to-left-name",
        ALL,
        Here(&[First("ليلى"), Last("حداد"), Email("layla.haddad@fernhill.example")]),
    ),
    ("long-title", ALL, Here(&[TitleOf(255), Odd(TextShortened)])),
    // Who is who.
    ("two-users-one-email", 0, Here(&[Email("twins@fernhill.example")])),
    ("two-users-one-email", 1, Decide(EmailDuplicate)),
    ("foreign-domain-admin", ALL, Decide(ProtectedAccount)),
    ("second-owner", ALL, Decide(ProtectedAccount)),
    ("likely-duplicate", ALL, Decide(LikelyDuplicate)),
    ("link-by-email", ALL, Here(&[Linked])),
    ("made-by-hand", ALL, Here(&[Linked])),
    ("rehire-same-id", ALL, Unknown),
    ("rehire-new-id", 0, Unknown),
    ("rehire-new-id", 1, Here(&[Email("renata.anew@fernhill.example")])),
    // Who is in.
    ("last-owner-not-assigned", ALL, ByHand(Role::Owner)),
    ("service-account", ALL, Unknown),
    ("okta-administrator", ALL, Unknown),
    ("locked-out", ALL, Here(&[IN])),
    ("suspended", ALL, Here(&[SUSPENDED])),
    ("staged-starter", ALL, Here(&[STAGED, Starts("2026-11-30")])),
    ("starts-today", ALL, Here(&[IN, Starts("2026-11-23")])),
    ("start-date-missing", ALL, Here(&[IN, NoStart])),
    ("start-date-malformed", ALL, Here(&[IN, NoStart, Odd(StartDateMalformed)])),
    ("starts-soon", 0, Here(&[IN, Starts("2026-11-27")])),
    ("starts-soon", 1, Here(&[IN, Starts("2026-12-23")])),
    ("contractor-excluded", ALL, KeptOut),
    ("in-two-groups", ALL, Here(&[IN])),
    // People to whom something happens later: nothing is special about them yet.
    ("department-renamed", 1, Here(&[Team("People & Culture")])),
    ("email-change-marriage", ALL, Here(&[Email("maria.maidwell@fernhill.example")])),
    ("email-swap", 0, Here(&[Email("sam.swapley@fernhill.example")])),
    ("email-swap", 1, Here(&[Email("sue.swapley@fernhill.example")])),
    ("deleted", ALL, Here(&[])),
    ("mover", ALL, Here(&[Team("Customer Success")])),
    ("leaver", ALL, Here(&[])),
];

/// Cases about how event hooks are delivered; a full run knows no events.
const ABOUT_HOOKS: [&str; 2] = ["duplicate-delivery", "out-of-order"];

async fn every_planted_case_comes_out_as_it_should(ground: &Ground) {
    let mut stand = Stand::fernhill(ground).await;
    let slugs: BTreeSet<&str> =
        stand.okta.with(|org| org.planted().iter().map(|planted| planted.case).collect());
    let told: BTreeSet<&str> = TABLE.iter().map(|(slug, ..)| *slug).chain(ABOUT_HOOKS).collect();
    assert_eq!(told, slugs, "the table names every planted case, and no other");
    let accounts = stand.people().await;
    let run = stand.sync().await;
    let items = stand.items(run.id).await;
    for round in 0..2 {
        if round > 0 {
            stand.sync().await;
        }
        let look = Look {
            users: stand.okta_users(),
            odd: problems_by_user(&stand).await,
            stand: &stand,
            accounts: &accounts,
        };
        for (slug, place, want) in TABLE {
            let logins = planted(&stand, slug);
            let shown = if *place == ALL { &logins[..] } else { &logins[*place..=*place] };
            assert!(!shown.is_empty(), "{slug}");
            for login in shown {
                look.at(slug, login, want).await;
                let id = stand.okta_id(login);
                let item = items.iter().find(|item| item.okta_user_id.as_str() == id);
                let noted = item.map(|item| (item.change, item.problems.clone()));
                let expected = match want {
                    Decide(code) => Some((ChangeKind::Review, vec![code.name().to_owned()])),
                    KeptOut => Some((ChangeKind::Skip, vec![ExcludedByRule.name().to_owned()])),
                    Here(_) | Unknown | ByHand(_) => None,
                };
                assert_eq!(noted, expected, "{slug}: {login}");
            }
        }
    }
}

/// The problem codes that the row of each Okta user carries.
async fn problems_by_user(stand: &Stand) -> BTreeMap<String, Vec<ProblemCode>> {
    let sql = "SELECT okta_user_id || ' ' || problems FROM people WHERE okta_user_id IS NOT NULL";
    let rows = stand.tables.texts(sql).await.into_iter();
    rows.map(|row| {
        let (id, bits) = row.split_once(' ').expect("two columns");
        let bits: i64 = bits.parse().expect("bits");
        let has = |code: &&ProblemCode| bits & (1 << (**code as u32)) != 0;
        (id.to_owned(), ProblemCode::ALL.iter().filter(has).copied().collect())
    })
    .collect()
}

struct Look<'a> {
    stand: &'a Stand,
    users: BTreeMap<String, Value>,
    odd: BTreeMap<String, Vec<ProblemCode>>,
    /// The accounts before the first run.
    accounts: &'a [PersonView],
}

impl Look<'_> {
    async fn at(&self, slug: &str, login: &str, want: &Want) {
        let user = &self.users[login];
        let person = self.stand.of_okta(user["id"].as_str().expect("an id")).await;
        let case = format!("{slug}: {login}");
        match (want, person) {
            (Here(facts), Some(person)) => self.person(&case, user, &person, facts),
            (Decide(_) | KeptOut | Unknown, None) => {
                let email = user["profile"]["email"].as_str().expect("an e-mail");
                // Whoever holds the address, it is not this Okta user.
                if let Some(account) = self.stand.account(email).await {
                    let before = self.accounts.iter().find(|before| before.id == account.id);
                    assert!(account.managed || before == Some(&account), "{case}: {account:?}");
                }
            }
            (ByHand(role), None) => {
                let email = user["profile"]["email"].as_str().expect("an e-mail");
                let account = self.stand.account(email).await.unwrap_or_else(|| panic!("{case}"));
                assert!(self.accounts.contains(&account), "{case}: {account:?}");
                assert_eq!((account.role, account.status), (*role, Status::Active), "{case}");
            }
            (_, person) => panic!("{case}: {person:?}"),
        }
    }

    fn person(&self, case: &str, user: &Value, person: &PersonView, facts: &[Fact]) {
        let said = |field: &str| user["profile"][field].as_str().filter(|text| !text.is_empty());
        let mut expected = Expected {
            standing: (Status::Active, StatusReason::Assigned),
            odd: Vec::new(),
            team: said("department"),
            place: said("city"),
            email: said("email").expect("an e-mail"),
        };
        for fact in facts {
            self.check(case, user, person, fact, &mut expected);
        }
        assert_eq!(standing(person), expected.standing, "{case}");
        assert_eq!(person.team.as_deref(), expected.team, "{case}");
        assert_eq!(person.location.as_deref(), expected.place, "{case}");
        assert_eq!(person.email, expected.email, "{case}");
        assert_eq!((person.role, person.managed), (Role::Learner, true), "{case}");
        let portuguese = said("preferredLanguage").is_some_and(|tag| tag.starts_with("pt"));
        let mut odd = self.odd[user["id"].as_str().expect("an id")].clone();
        // Portuguese is not enabled, and people of any other case may speak it.
        odd.retain(|code| {
            !(portuguese && *code == LanguageNotEnabled) || expected.odd.contains(code)
        });
        assert_eq!(odd, expected.odd, "{case}");
        assert!(person.language.is_some(), "{case}");
    }

    fn check<'u>(
        &self,
        case: &str,
        user: &'u Value,
        person: &PersonView,
        fact: &Fact,
        expected: &mut Expected<'u>,
    ) {
        let manager = person.manager.as_ref();
        match fact {
            Is(status, reason) => expected.standing = (*status, *reason),
            Odd(code) => expected.odd.push(*code),
            Language(tag) => assert_eq!(person.language.as_deref(), Some(*tag), "{case}"),
            Teamless => expected.team = None,
            Team(name) => expected.team = Some(name),
            NoPlace => expected.place = None,
            NoPhoto => assert_eq!(person.photo_url, None, "{case}"),
            Photo(url) => assert_eq!(person.photo_url.as_deref(), Some(*url), "{case}"),
            Starts(date) => assert_eq!(person.start_date.as_deref(), Some(*date), "{case}"),
            NoStart => assert_eq!(person.start_date, None, "{case}"),
            Led(slug, place) => {
                let login = &planted(self.stand, slug)[*place];
                let boss = self.users[login]["profile"]["email"].as_str();
                assert_eq!(manager.map(|manager| manager.email.as_str()), boss, "{case}");
                assert_eq!(manager.map(|manager| manager.source), Some("okta"), "{case}");
            }
            LedAsOktaSays => {
                let value = user["profile"]["managerId"].as_str().expect("a manager");
                let named = self.users.values().find(|user| {
                    ["email", "login", "employeeNumber"]
                        .iter()
                        .any(|field| user["profile"][*field] == value)
                });
                let boss = named.and_then(|user| user["profile"]["email"].as_str());
                assert!(boss.is_some(), "{case}");
                assert_eq!(manager.map(|manager| manager.email.as_str()), boss, "{case}");
            }
            Unled => assert_eq!(person.manager, None, "{case}"),
            First(name) => assert_eq!(person.first_name, *name, "{case}"),
            Last(name) => assert_eq!(person.last_name, *name, "{case}"),
            TitleOf(length) => {
                let title = person.title.as_deref().unwrap_or_default();
                assert_eq!(title.chars().count(), *length, "{case}");
            }
            Email(email) => expected.email = email,
            Linked => {
                let before = self.accounts.iter().find(|account| account.id == person.id);
                let before = before.unwrap_or_else(|| panic!("{case} is another account"));
                assert_eq!(before.email, person.email, "{case}");
            }
        }
    }
}

struct Expected<'u> {
    standing: (Status, StatusReason),
    odd: Vec<ProblemCode>,
    team: Option<&'u str>,
    place: Option<&'u str>,
    email: &'u str,
}

async fn every_problem_is_told_with_its_cause(ground: &Ground) {
    let mut stand = Stand::fernhill(ground).await;
    let first = stand.sync().await;
    let second = stand.sync().await;
    let dana = "dana.outwood@fernhill.example";
    let cases: [(ProblemCode, u64, &[&str]); 16] = [
        // Dana leads three, August five; she is not assigned and he was never here.
        (ManagerNotFound, 8, &[dana, "august.gonne@fernhill.example (5)", "Assign them"]),
        (ManagerIsSelf, 1, &["Correct"]),
        (ManagerLoop, 5, &["ines.ringwald@", "otto.ringwald@", "ada.kreisler@", "→"]),
        (ManagerDisplayName, 1, &["manager_by_name"]),
        (NoTeam, 4, &["Fill it in Okta"]),
        (EmailDuplicate, 1, &["Give each their own"]),
        (ProtectedAccount, 2, &["signing in with Okta"]),
        (LikelyDuplicate, 2, &["Pair them"]),
        (TextShortened, 1, &["255"]),
        (LanguageUnknown, 1, &["default language"]),
        (LanguageNotEnabled, 0, &["languages"]),
        (StartDateMalformed, 1, &["2026-11-24"]),
        (PhotoNotHttps, 1, &["https"]),
        (ExcludedByRule, 4, &["rules"]),
        (StartDateMissing, u64::MAX, &[]),
        (ManagerInactive, u64::MAX, &[]),
    ];
    for run in [&first, &second] {
        let mut told = BTreeSet::new();
        for (code, people, words) in &cases {
            let Some(problem) = problem(run, *code) else {
                assert_eq!(*people, u64::MAX, "{code:?} is not told: {run:?}");
                continue;
            };
            assert_ne!(*people, u64::MAX, "{problem:?}");
            // How many Portuguese there are is the simulator's business.
            assert!(problem.people == *people || *code == LanguageNotEnabled, "{problem:?}");
            for word in *words {
                assert!(problem.hint.contains(word), "no {word:?} in {}", problem.hint);
            }
            told.insert(*code);
        }
        let all: BTreeSet<ProblemCode> = run.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(all, told, "and no other");
    }
}
