"""What every `IPolicy` promises."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from pypidaemon.interfaces import IPolicy
from pypidaemon.model import File, NormalizedName
from tests.strategies import files, names


class PolicyContract:
    """Run by every policy; a subclass has `policy`."""

    policy: IPolicy

    def test_keeps_the_interface(self) -> None:
        verifyObject(IPolicy, self.policy)
        assert self.policy.label

    @given(st.data(), names, st.floats(0, 4e9))
    def test_it_answers_every_file_with_a_reason_of_one_line_or_none_and_always_the_same(
        self, data: st.DataObject, name: NormalizedName, now: float
    ) -> None:
        file: File | None = data.draw(st.none() | files(name))
        answer = self.policy.refusal(name, file, now)
        assert answer is None or (answer.strip() == answer and answer and "\n" not in answer)
        assert self.policy.refusal(name, file, now) == answer

    @given(st.data(), names, st.floats(0, 4e9))
    def test_a_project_refused_as_a_whole_has_no_file_that_passes(self, data: st.DataObject, name: NormalizedName, now: float) -> None:
        if self.policy.refusal(name, None, now) is not None:
            assert self.policy.refusal(name, data.draw(files(name)), now) is not None
