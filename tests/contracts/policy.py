"""What every `IPolicy` promises, and what those promise besides that go by clock, page or more than a page says."""

from __future__ import annotations

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from pypidaemon.interfaces import IChangingPolicy, IInformedPolicy, IPagePolicy, IPolicy, ITimedPolicy
from pypidaemon.model import Attested, Described, File, Knowledge, NormalizedName, ProjectPage
from tests.examples import examples
from tests.strategies import files, names, pages, texts

some = settings(max_examples=examples(15))
"""There are many policies, and each of them runs all of this."""

moments = st.floats(0, 4e9)

describeds = st.builds(
    Described,
    st.none() | texts | st.sampled_from(["MIT", "GPL-2.0-only WITH Classpath-exception-2.0", "(MIT OR Apache-2.0+) AND BSD-3-Clause"]),
    st.none() | texts | st.just("BSD"),
    st.lists(texts | st.sampled_from(["License :: OSI Approved :: MIT License", "Private :: Do Not Upload"]), max_size=3).map(tuple),
)
"""What METADATA may say."""

attesteds = st.builds(Attested, st.lists(texts, max_size=2).map(tuple), st.none() | texts, st.booleans())
"""What checking provenance may come to."""


@st.composite
def known_files(draw: st.DrawFn, name: NormalizedName) -> File:
    """Files of which anything may have been found out."""
    file = draw(files(name))
    return attrs.evolve(file, described=draw(st.none() | describeds), attested=draw(st.none() | attesteds))


def is_a_reason(answer: str) -> bool:
    """Whether this is one line of text for a person."""
    return answer.strip() == answer and bool(answer) and len(answer.splitlines()) == 1


class PolicyContract:
    """Run by every policy; a subclass has `policy`."""

    policy: IPolicy

    def test_keeps_the_interface(self) -> None:
        for interface in (IPolicy, ITimedPolicy, IPagePolicy, IInformedPolicy, IChangingPolicy):
            if interface is IPolicy or interface.providedBy(self.policy):
                verifyObject(interface, self.policy)
        assert self.policy.label
        assert IPagePolicy.providedBy(self.policy) == isinstance(self, PagePolicyContract)
        assert IInformedPolicy.providedBy(self.policy) == isinstance(self, InformedPolicyContract)

    @some
    @given(st.data(), names, moments)
    def test_it_answers_every_file_with_a_reason_of_one_line_or_none_and_always_the_same(
        self, data: st.DataObject, name: NormalizedName, now: float
    ) -> None:
        file: File | None = data.draw(st.none() | known_files(name))
        answer = self.policy.refusal(name, file, now)
        assert answer is None or is_a_reason(answer)
        assert self.policy.refusal(name, file, now) == answer

    @some
    @given(st.data(), names, moments)
    def test_a_project_refused_as_a_whole_has_no_file_that_passes(self, data: st.DataObject, name: NormalizedName, now: float) -> None:
        if self.policy.refusal(name, None, now) is not None:
            assert self.policy.refusal(name, data.draw(known_files(name)), now) is not None

    @some
    @given(st.data(), names, moments)
    def test_until_its_answer_turns_it_is_the_same_and_a_turn_lies_ahead(
        self, data: st.DataObject, name: NormalizedName, now: float
    ) -> None:
        """A policy that says nothing of time gives the same answer at any."""
        file = data.draw(known_files(name))
        turns = self.policy.turns(name, file, now) if ITimedPolicy.providedBy(self.policy) else None
        assert turns is None or turns > now
        later = data.draw(st.floats(now, 5e9 if turns is None else turns, exclude_max=turns is not None))
        before, after = self.policy.refusal(name, file, now), self.policy.refusal(name, file, later)
        assert (before is None) == (after is None)
        assert before == after


class PagePolicyContract(PolicyContract):
    """Run besides by every policy that looks at whole pages."""

    policy: IPagePolicy

    @some
    @given(pages(), moments)
    def test_it_refuses_files_of_the_page_alone_and_by_a_reason_in_whatever_order_they_stand(self, page: ProjectPage, now: float) -> None:
        refused = self.policy.refusals(page, now)
        assert set(refused) <= {file.filename for file in page.files}
        assert all(is_a_reason(reason) for reason in refused.values())
        assert self.policy.refusals(attrs.evolve(page, files=page.files[::-1]), now) == refused


class InformedPolicyContract(PolicyContract):
    """Run besides by every policy that goes by more than a page says."""

    policy: IInformedPolicy

    @some
    @given(st.data(), names, moments)
    def test_it_answers_without_what_it_wants_to_know_too(self, data: st.DataObject, name: NormalizedName, now: float) -> None:
        """And that is something that somebody can find out."""
        file = data.draw(files(name))
        assert self.policy.wants(name, file, now) <= set(Knowledge)
        answer = self.policy.refusal(name, file, now)
        assert answer is None or is_a_reason(answer)
