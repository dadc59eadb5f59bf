//! Both stages against the outputs of the authors' own code, in f32 on random weights.

mod builtin;
mod compare;
mod mutations;
mod packed;

use compare::{compare, fixture};
use mutations::Copy;

#[test]
fn f32_checkpoint_with_its_own_head() {
    compare(&fixture("c3-ref-f32")).unwrap();
}

/// This golden was made after `.to(torch.bfloat16)`, which rounds the rotary frequencies too.
#[test]
fn bf16_checkpoint_with_a_tied_head() {
    let copy = Copy::of("c3-ref-bf16-tied");
    copy.config("config.json", |config| config["c3"]["rope_frequencies"] = "bf16".into());
    copy.compare().unwrap();
}

/// The same checkpoint under exact frequencies is another function, and the comparison sees it.
#[test]
fn rounded_frequencies_matter() {
    assert!(compare(&fixture("c3-ref-bf16-tied")).unwrap_err().contains("latents"));
}
