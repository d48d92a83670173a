"""When schedules tick: pure arithmetic, without input or output. Import from here.

cron        what five fields say, and what is wrong with them
stretch     the spans in which a zone keeps its offset from UTC
instants    the instants of a cron in a zone
recurrence  the one object that schedulers ask
reading     a recurrence from what a person wrote, or everything that is wrong with it
words       the same for people
cautions    what is allowed and perhaps not meant
"""

from portaria.core.recurrence.cautions import warnings
from portaria.core.recurrence.reading import read_recurrence
from portaria.core.recurrence.recurrence import Recurrence
from portaria.core.recurrence.words import in_words

__all__ = ["Recurrence", "in_words", "read_recurrence", "warnings"]
