//! Programs that must compile, and programs that must not, with what the compiler says.

#[test]
fn broken_programs_are_refused_with_one_message_for_each_mistake() {
    trybuild::TestCases::new().compile_fail("tests/ui/*/fail/*.rs");
}

#[test]
fn right_programs_compile_and_run() {
    trybuild::TestCases::new().pass("tests/ui/*/pass/*.rs");
}
