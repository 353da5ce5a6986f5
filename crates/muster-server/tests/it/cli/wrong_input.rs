//! Wrong input: a clear word about what is wrong with it, exit code 2, and nothing changed.

use sqlx::Connection as _;

use crate::support::Home;

fn prepared() -> Home {
    let home = Home::sqlite();
    home.line("tenant create acme --name Acme --owner olga@acme.example").done();
    home.line("okta enable acme").done();
    home.file("secret", "s3cret-one\n");
    home.file("empty", " \n");
    home.file("two", "s3cret-one s3cret-two\n");
    std::fs::write(home.path().join("binary"), [0xff, 0xfe, 0x00]).expect("written");
    home.file("bad-rules.toml", "manager = \"individual\"\nmanger = \"team\"\n");
    home.file(
        "bad-people.csv",
        "email,first_name,last_name\nnobody,Ana,Ito\nana@acme.example,Ana,Ito\n",
    );
    home.file(
        "twice.csv",
        "email,first_name,last_name\nana@acme.example,Ana,Ito\nANA@acme.example,Ana,Ito\n",
    );
    home.file(
        "taken.csv",
        "email,first_name,last_name\nana@acme.example,Ana,Ito\nolga@acme.example,Olga,O\n",
    );
    home
}

/// Everything that scripts can see of the directory.
fn seen(home: &Home) -> String {
    ["tenant list", "okta show acme", "people list acme", "run list acme", "okta rules acme"]
        .map(|line| home.line(&format!("{line} --json")).done().out)
        .concat()
}

#[test]
fn each_is_told_and_changes_nothing() {
    let home = prepared();
    let before = seen(&home);
    let run = "run_00000000000000000000000000000001";
    #[rustfmt::skip]
    let cases = [
        ("",                                                                      "Usage: muster"),
        ("dance",                                                                 "unrecognized subcommand 'dance'"),
        ("tenant create Acme --name A --owner a@b.example",                       "a-z, 0-9 and hyphens, not 'A'"),
        ("tenant create -- -acme --name A --owner a@b.example",                   "error"),
        ("tenant create www --name A --owner a@b.example",                        "\"www\" is reserved"),
        ("tenant create beta --name A --owner nobody",                            "\"nobody\" is not an e-mail address"),
        ("tenant create acme --name A --owner a@b.example",                       "already a tenant acme"),
        ("people list nobody",                                                    "there is no tenant \"nobody\""),
        ("people list acme --status gone",                                        "one of active, not_yet, deactivated"),
        ("people show acme ana@acme.example",                                     "nobody here with ana@acme.example"),
        ("people show acme per_12",                                               "per_12"),
        ("people add acme --email nobody --first A --last B",                     "\"nobody\" is not an e-mail address"),
        ("people add acme --email a@b.example --first A --last B --role boss",    "one of owner, admin, hr, learner"),
        ("people add acme --email OLGA@acme.example --first O --last O",          "OLGA@acme.example"),
        ("people add acme --email a@b.example --first A",                         "--last"),
        ("people import acme bad-people.csv",                                     "line 2: \"nobody\" is not an e-mail address"),
        ("people import acme twice.csv",                                          "line 3: ANA@acme.example is on line 2 already"),
        ("people import acme taken.csv",                                          "line 3: olga@acme.example belongs to somebody"),
        ("people import acme nowhere.csv",                                        "nowhere.csv cannot be read"),
        ("people import acme binary",                                             "binary, line 1: this is not UTF-8"),
        ("people deactivate acme olga@acme.example --reason x",                   "without an active owner"),
        ("people deactivate acme olga@acme.example",                              "--reason"),
        ("people deactivate acme nobody@acme.example --reason x",                 "nobody here with nobody@acme.example"),
        ("people reactivate acme olga@acme.example --reason x",                   "is not deactivated"),
        ("people pair acme olga@acme.example 00u/1",                              "is not an Okta user id"),
        ("okta rules acme bad-rules.toml",                                        "line 2"),
        ("okta rules acme nowhere.toml",                                          "nowhere.toml cannot be read"),
        ("okta set acme",                                                         "nothing to set"),
        ("okta set acme --api-url http://acme.okta.com",                          "https://"),
        ("okta set acme --api-url https://127.0.0.1",                             "an IP address cannot be an Okta org"),
        ("okta set acme --api-url https://learn.acme.example",                    "--confirm-custom-domain"),
        ("okta set acme --api-url acme.okta.com.evil.example",                    "only looks like an address of Okta"),
        ("okta set acme --client-id 0oa",                                         "6 to 100 characters"),
        ("okta set acme --app-id ../users",                                       "letters and digits only"),
        ("okta set acme --api-url acme.okta.com --api-token nowhere",             "--api-token: there is no such file"),
        ("okta set acme --api-url acme.okta.com --api-token empty",               "--api-token: the file is empty"),
        ("okta set acme --api-url acme.okta.com --client-secret two",             "--client-secret: there is more than one word"),
        ("okta set acme --api-url acme.okta.com --client-secret binary",          "--client-secret: this is not text"),
        ("okta set acme --api-url acme.okta.com --client-secret .",               "--client-secret: the file cannot be read"),
        ("okta set acme --client-secret - --api-token -",                         "one value only"),
        ("okta set acme --api-token secret",                                      "--api-url first"),
        ("okta set acme --api-token",                                             "--api-token"),
        ("okta plan acme",                                                        "muster okta set acme --api-url URL"),
        ("okta sync acme",                                                        "muster okta set acme --api-url URL"),
        ("okta sync acme --approve run_1",                                        "a run's id begins with run_"),
        ("okta sync nobody",                                                      "there is no tenant \"nobody\""),
        (&format!("run show acme {run}"),                                         "there is no run"),
        (&format!("run discard acme {run}"),                                      "there is no run"),
        ("run list acme --limit 0",                                               "--limit"),
    ];
    for (line, want) in cases {
        let ran = home.line(line).exits(2);
        assert!(ran.err.contains(want), "`{line}` printed\n{}{}", ran.out, ran.err);
        assert!(ran.out.is_empty(), "`{line}` printed on stdout\n{}", ran.out);
        assert!(!ran.err.contains("s3cret"), "`{line}` printed\n{}", ran.err);
        assert_eq!(seen(&home), before, "`{line}` changed something");
    }
}

#[test]
fn what_needs_okta_says_that_it_is_off() {
    let home = Home::sqlite();
    home.line("tenant create acme --name Acme --owner olga@acme.example").done();
    for line in ["okta plan acme", "okta sync acme", "okta set acme --client-id 0oa123456"] {
        let ran = home.line(line).exits(2);
        assert!(ran.err.contains("muster okta enable acme"), "{}", ran.err);
    }
}

#[test]
fn a_secret_given_as_an_argument_is_refused_and_not_repeated() {
    let home = prepared();
    let ran =
        home.line("okta set acme --api-url acme.okta.com --api-token 00s3cretPastedHere").exits(2);
    assert!(
        ran.err.contains("never given on the command line") && !ran.err.contains("s3cret"),
        "{}",
        ran.err
    );
}

#[test]
fn a_wrong_configuration_stops_every_command_and_is_told_at_once() {
    let mut home = Home::sqlite();
    home.set("MUSTER_LISTEN", "everywhere");
    home.set("MUSTER_LOG_FORMAT", "xml");
    home.set("MUSTER_LISTN", "x");
    for line in ["tenant list", "check-config", "migrate"] {
        let ran = home.line(line).exits(2);
        for name in ["MUSTER_LISTEN: ", "MUSTER_LOG_FORMAT: ", "did you mean MUSTER_LISTEN?"] {
            assert!(ran.err.contains(name), "`{line}` printed\n{}", ran.err);
        }
    }
    let told = home.line("check-config --json").exits(2).json();
    assert_eq!(
        (told["ok"].as_bool(), told["problems"].as_array().map(Vec::len)),
        (Some(false), Some(3))
    );
    assert!(!home.path().join("data").exists(), "nothing was made");
}

#[test]
fn the_configuration_file_is_strict() {
    let home = Home::sqlite();
    home.file("muster.toml", "MUSTER_LISTEN = \"127.0.0.1:9000\"\ncolour = \"red\"\n");
    let ran = home.line("tenant list --config muster.toml").exits(2);
    assert!(
        ran.err.contains("colour: there is no such setting (muster.toml, line 2)"),
        "{}",
        ran.err
    );
    let ran = home.line("--config nowhere.toml tenant list").exits(2);
    assert!(ran.err.contains("nowhere.toml cannot be read"), "{}", ran.err);
    home.file("muster.toml", "MUSTER_LISTEN = \"127.0.0.1:9000\"\n");
    let told = home.line("check-config --json --config muster.toml").done().json();
    assert_eq!(told["settings"]["MUSTER_LISTEN"]["value"], "127.0.0.1:9000");
    assert_eq!(told["settings"]["MUSTER_LISTEN"]["from"], "line 1");
}

#[test]
fn databases_that_are_not_ours_are_left_alone() {
    let mut home = Home::sqlite();
    home.file("text.db", "not a database");
    home.file("master.key", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n");
    home.set("MUSTER_MASTER_KEY_FILE", "master.key");
    #[rustfmt::skip]
    let cases = [
        ("sqlite://text.db",            "holds data that is not of Muster"),
        ("sqlite://",                   "is not the address of a database"),
        ("mysql://ana:s3cret@db/x",     "is not the address of a database"),
        ("sqlite://text.db/inner/a.db", "cannot make"),
    ];
    for (url, want) in cases {
        home.set("MUSTER_DATABASE_URL", url);
        let ran = home.line("tenant list").exits(2);
        assert!(ran.err.contains(want) && !ran.err.contains("s3cret"), "{url}: {}", ran.err);
    }
    assert_eq!(
        std::fs::read_to_string(home.path().join("text.db")).expect("there"),
        "not a database"
    );
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let home = prepared();
    let url = format!("sqlite://{}", home.path().join("data/muster.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("the file");
    sqlx::query("UPDATE muster_schema SET version = 99, oldest = 99")
        .execute(&mut connection)
        .await
        .expect("newer");
    connection.close().await.expect("closed");
    for line in ["tenant list", "migrate", "okta enable acme"] {
        let ran = home.line(line).exits(2);
        assert!(ran.err.contains("version 99, which needs a newer muster"), "{}", ran.err);
    }
}

#[test]
fn another_or_a_lost_master_key_is_refused() {
    let home = prepared();
    let key = home.path().join("data/master.key");
    let own = std::fs::read_to_string(&key).expect("a key");
    std::fs::write(&key, "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n").expect("written");
    let ran = home.line("tenant list").exits(2);
    assert!(ran.err.contains("does not fit this database"), "{}", ran.err);
    std::fs::write(&key, "short\n").expect("written");
    let ran = home.line("tenant list").exits(2);
    assert!(
        ran.err.contains("master key file is not usable") && !ran.err.contains("short"),
        "{}",
        ran.err
    );
    std::fs::remove_file(&key).expect("removed");
    let ran = home.line("tenant list").exits(2);
    assert!(ran.err.contains("put the file back"), "{}", ran.err);
    assert!(!key.exists(), "no new key hides the loss");
    std::fs::write(&key, own).expect("written");
    home.line("tenant list").done();
}
