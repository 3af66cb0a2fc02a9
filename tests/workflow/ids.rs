//! Ids of executions and tokens of deferreds: texts that are read back.

use cluster::{DeferredToken, ExecutionId, Key};

fn id(workflow: &str, key: &str) -> ExecutionId {
    ExecutionId::new(workflow, Key::new(key).unwrap())
}

// proves: B223
#[test]
fn ids_of_executions_are_what_they_always_were() {
    let golden = [
        (id("order", "4711"), "order/4711"),
        (id("a-b", "c"), "a-b/c"),
        (id("a", "b-c"), "a/b-c"),
        (id("a/b", "c"), "a%2Fb/c"),
        (id("a", "b/c"), "a/b/c"),
        (id("a%2Fb", "c"), "a%252Fb/c"),
        (id("100%", "%/%25"), "100%25/%/%25"),
        (id("Bestellung für Ö", "ключ\n"), "Bestellung für Ö/ключ\n"),
    ];
    for (id, text) in &golden {
        assert_eq!(id.to_string(), *text);
        assert_eq!(text.parse::<ExecutionId>().unwrap(), *id);
    }
    for (at, (one, _)) in golden.iter().enumerate() {
        assert!(golden[..at].iter().all(|(other, _)| other != one));
    }
    for broken in ["", "order", "order/", "a%2/b", "a%2f/b", "%/b"] {
        assert!(broken.parse::<ExecutionId>().is_err(), "{broken}");
    }
}

// proves: B223
#[test]
fn tokens_are_texts() {
    let token = DeferredToken::<u32>::new(id("a/b", "c/d%"), "yes/no", 3);
    assert_eq!(token.to_string(), "a%2Fb/yes%2Fno/3/c/d%");
    assert_eq!(token.to_string().parse::<DeferredToken<u32>>().unwrap(), token);
    let json = serde_json::to_string(&token).unwrap();
    assert_eq!(serde_json::from_str::<DeferredToken<u32>>(&json).unwrap(), token);
    for broken in ["", "a/b/1", "a/b/x/k", "a//1/k", "a/b/1/"] {
        assert!(broken.parse::<DeferredToken<u32>>().is_err(), "{broken}");
    }
}
