"""Words that leave doubt about a value which they follow ("2 (maybe)", "Both (not sure)").

The list is long on purpose: a remark that is refused costs one verdict, and says so; one that is
taken for harmless would be a silently wrong number.
"""

import re
from typing import Final

_WORDS = (
    # denial and retraction
    """no not never none nor cannot cant dont doesnt didnt isnt wasnt arent wont wouldnt shouldnt
    couldnt nope nah wrong wrongly false falsely typo oops sorry apologies scratch strike struck
    void undo undone edit edited earlier former formerly previous previously initial initially
    original originally actually instead rather wait jk joke joking kidding irony ironic
    ironically fake nonsense obsolete outdated check checked recheck redo retry glitch scrap
    nevermind """
    # doubt
    """maybe perhaps may might could would should sure certain certainly certainty think thinking
    thought thoughts believe believed feel feels feeling hunch opinion imo imho afaik i'd tbd tbc
    tba idk dunno na knows whatever hard difficult tough eg random default dummy sample pending
    interim draft temporary temporarily subject hm hmm um uh er erm eh meh todo fixme torn toss
    coin flip shrug shaky insecure impression challenge challenged bias biased negotiable
    flexible unknown unofficial informal discuss discussion until now currently moment personally
    percent ballpark balance so part n salt iffy dicey fishy tricky call theory limits value
    number instance test """
    # approximation and degree
    """about around approx circa ca almost nearly near somewhere somewhat slightly barely hardly
    scarcely mostly mainly primarily largely chiefly partly half halves halfway third thirds
    quarter quarters ish kinda sorta kind sort quite fairly weak weakly middle least most best
    worst low lower high higher less more fewer minus plus below above range closer stronger
    extent round rounded rounding average averaged between """
    # alternatives, conditions and concessions
    """or either neither versus vs otherwise else if whether unless except but although though tho
    however albeit despite nevertheless nonetheless notwithstanding yet still out scale """
    # other numbers
    """zero one two three four five six seven eight nine ten twenty thirty forty fifty hundred once
    twice double """
    # the commonest of these in other languages; letters beyond A to Z are doubtful anyway
    """oder vielleicht wohl etwa nicht kein nein falsch unsicher eventuell ou peut pas non faux
    environ quiza quizas talvez vez acaso incierto falso forse oppure misschien kanske """
)
_STEMS = """
    adjust alleg alternat ambig ambival amend apparent appear approximat arbitrar argua assum
    await begrudg bordering borderl cancel cautio caveat chang charit check compromis conceiv
    conditional confid confirm conflict conject contest conting contradict controvers convinc
    corrected correction debat decid delet depend deprecat determin disagree discard disput
    disregard dominan dominat doubt dubious emphas errone error estimat exaggerat exampl favor
    favour fiction finali generous grudg guess harshl hesit hypothe ignor inaccura inconclus
    inconsist incorrect indecis indetermin inflat invalid lean lenien likel loose misjudg misread
    mistak moderate nominal ostensib overrat partial placehold possib potential practical
    predominan prefer prelimin presum probab provision question reassess reckon reconsider
    relative reluct replac reported reservation rethink retract review revis revok rough sarcas
    sceptic seem skeptic skew slant specul stretch subjectiv supersed suppos suspect suspicio
    technical tentativ theoret tilt toward uncertain unclear unconfirm unconvinc undecid underrat
    undeserv undetermin unfair unjustif unlikel unproven unreliab unresolv unreview unsettl unsure
    untru unverif updat verg verif virtual waver withdr
"""
_EXACTLY: Final = frozenset(_WORDS.split())
_BEGINNINGS: Final = tuple(_STEMS.split())


_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


def words_in(text: str) -> frozenset[str]:
    """Return the words of a text, in lower case."""
    return frozenset(_WORD.findall(text.lower().replace("e.g.", "eg")))


def is_hedge(word: str) -> bool:
    """Return whether a word, in lower case, leaves doubt."""
    return word in _EXACTLY or word.startswith(_BEGINNINGS) or word.endswith("n't")
