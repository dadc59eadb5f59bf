//! Branches, barriers of the block, and the end of threads.

use super::Decoder;
use super::opcode::{Decoded, Opcode};
use super::statement::exactly;
use crate::op::{Barrier, Op, Reduction};
use crate::parse::Operand;

impl Decoder<'_> {
    pub(super) fn control_flow(
        &mut self,
        opcode: &mut Opcode<'_>,
        operands: &[Operand<'_>],
    ) -> Decoded<Option<Op>> {
        opcode.ignore(&["uni"]);
        let here = self.instructions.len();
        Ok(Some(match opcode.name {
            "bra" => {
                let [Operand::Name(label)] = exactly(operands)? else {
                    return Err("expected a label".into());
                };
                self.branch_to(here, 0, label);
                Op::Branch(here)
            }
            "brx" => self.switch(opcode, operands, here)?,
            "ret" => {
                if let Some(call) = self.calls.last_mut() {
                    call.returns.push(here);
                }
                Op::Branch(here)
            }
            "exit" => Op::Exit,
            "trap" => Op::Trap,
            "bar" | "barrier" => self.barrier(opcode, operands)?,
            "nanosleep" | "brkpt" | "pmevent" => {
                opcode.ignore(&["u32"]);
                Op::Nop
            }
            _ => return Ok(None),
        }))
    }

    fn branch_to(&mut self, at: usize, which: usize, label: &str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.pending.push((at, which, label.to_owned()));
        }
    }

    fn switch(
        &mut self,
        opcode: &mut Opcode<'_>,
        operands: &[Operand<'_>],
        here: usize,
    ) -> Decoded<Op> {
        opcode.take("idx");
        let [index, Operand::Name(list)] = exactly(operands)? else {
            return Err("expected an index and a list of labels".into());
        };
        let table = self.scopes.iter().rev().find_map(|scope| scope.tables.get(*list));
        let labels = table.ok_or_else(|| format!("there is no list {list}"))?.clone();
        for (which, label) in labels.iter().enumerate() {
            self.branch_to(here, which, label);
        }
        let targets = vec![here; labels.len()].into();
        Ok(Op::Switch { index: self.value(index)?, targets })
    }

    fn barrier(&mut self, opcode: &mut Opcode<'_>, operands: &[Operand<'_>]) -> Decoded<Op> {
        if opcode.take("warp") {
            opcode.take("sync");
            let [mask] = exactly(operands)?;
            return Ok(Op::WarpBarrier { mask: self.value(mask)? });
        }
        opcode.ignore(&["cta", "aligned", "sync"]);
        let arrive_only = opcode.take("arrive");
        if !opcode.take("red") {
            let (id, threads) = match operands {
                [id] => (id, None),
                [id, threads] => (id, Some(self.value(threads)?)),
                _ => return Err("expected a barrier".into()),
            };
            let (id, reduction) = (self.value(id)?, None);
            return Ok(Op::Barrier(Barrier { id, threads, arrive_only, reduction }));
        }
        let [d, id, threads @ .., p] = operands else { return Err("expected 3 operands".into()) };
        let reduction = match (opcode.take("popc"), opcode.take("and"), opcode.take("or")) {
            (true, ..) => Reduction::Count(self.target(d)?),
            (_, true, _) => Reduction::And(self.pred(d)?.index),
            (_, _, true) => Reduction::Or(self.pred(d)?.index),
            _ => return Err("an unknown reduction".into()),
        };
        opcode.ignore(&["u32", "pred"]);
        let threads = threads.first().map(|threads| self.value(threads)).transpose()?;
        let (id, reduction) = (self.value(id)?, Some((reduction, self.pred(p)?)));
        Ok(Op::Barrier(Barrier { id, threads, arrive_only, reduction }))
    }
}
