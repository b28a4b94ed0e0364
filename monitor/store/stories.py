"""What Redis keeps of stories: by which traces each is found again, what it is told by, and who told it.

A trace's key holds the numbers of the latest stories that have it, 8 bytes each. Everything expires: traces after the
window in which articles join a story, stories when their alerts are no longer listed, and which article belongs to
which story as late as its alerts are forgotten, so that an edited article stays where it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from monitor.feeds.identity import digest
from monitor.store.redis import PREFIX, Store, translated
from monitor.stories.join import WINDOW
from monitor.stories.sketch import Sketch
from monitor.stories.story import Member, Story, traces

_TRACE = f"{PREFIX}trace:".encode()
_STORY = f"{PREFIX}story:"
_DOCUMENT = f"{PREFIX}document:"
_KEPT = timedelta(days=7)  # as long as alerts are listed
_DOCUMENTS_KEPT = timedelta(days=30)
_STORIES_OF_A_TEXT, _STORIES_OF_AN_EVENT = 64, 32  # that one trace leads to
_CANDIDATES = 8  # stories that are compared with an article
_SKETCHES = 6  # of a story, each in another language
_MEMBERS = 200  # kept of a story; its count goes on

# Of all stories with a trace of the article those that have most, of equals the latest; a trace of its text counts as
# three of its event.
# The digest of the traces tells `_BEGIN` whether another article has changed them meanwhile.
_LOOK_UP = """
local texts, most, tally, latest, seen, best = tonumber(ARGV[1]), tonumber(ARGV[2]), {}, {}, {}, 0
for i, numbers in ipairs(#KEYS > 0 and redis.call('MGET', unpack(KEYS)) or {}) do
  numbers = numbers or ''
  seen[i] = numbers
  local worth = i <= texts and 3 or 1
  for at = #numbers - 7, 1, -8 do
    local number = string.sub(numbers, at, at + 7)
    if not tally[number] then latest[#latest + 1] = number end
    local sum = (tally[number] or 0) + worth
    tally[number] = sum
    if sum > best then best = sum end
  end
end
local ranked = {}
for _, number in ipairs(latest) do
  local sum = tally[number]
  ranked[sum] = ranked[sum] or {}
  table.insert(ranked[sum], number)
end
local answer = {redis.sha1hex(table.concat(seen, '|'))}
for sum = best, 1, -1 do
  local alike = ranked[sum] or {}
  for _, number in ipairs(alike) do
    if #answer > 2 * most then return answer end
    local id = string.gsub(number, '.', function(c) return string.format('%02x', string.byte(c)) end)
    answer[#answer + 1] = id
    answer[#answer + 1] = redis.call('HGETALL', ARGV[3] .. id)
  end
end
return answer
"""
_TRACED = f"""
local function belongs(document, number)
  local id = string.gsub(number, '.', function(c) return string.format('%02x', string.byte(c)) end)
  redis.call('SET', document, id, 'PX', {int(_DOCUMENTS_KEPT.total_seconds() * 1000)})
end
local function trace(texts, number, lifetime)
  for i = 4, #KEYS do
    local most = i <= texts + 3 and {_STORIES_OF_A_TEXT} or {_STORIES_OF_AN_EVENT}
    local numbers = redis.call('GET', KEYS[i]) or ''
    if not string.find(numbers, number, 1, true) then
      numbers = string.sub(numbers, -8 * (most - 1)) .. number
    end
    redis.call('SET', KEYS[i], numbers, 'PX', lifetime)
  end
end
"""
# An event that two processes look up at one moment begins one story: the second is told to look again.
_BEGIN = f"""{_TRACED}
local seen = {{}}
for i = 4, #KEYS do seen[i - 3] = redis.call('GET', KEYS[i]) or '' end
if redis.sha1hex(table.concat(seen, '|')) ~= ARGV[2] then return 0 end
if redis.call('EXISTS', KEYS[1]) == 1 then return 1 end
redis.call('HSET', KEYS[1], 'first', ARGV[6], 'seen', ARGV[8], 'last', ARGV[8], 'count', 1, 'sketch', ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('HSET', KEYS[2], ARGV[9], ARGV[6])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
belongs(KEYS[3], ARGV[3])
trace(tonumber(ARGV[1]), ARGV[3], ARGV[4])
return 1
"""
# An article that is seen again, after a crash, is no other member.
_JOIN = f"""{_TRACED}
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('HEXISTS', KEYS[2], ARGV[8]) == 1 then return tonumber(redis.call('HGET', KEYS[1], 'count')) end
local count = redis.call('HINCRBY', KEYS[1], 'count', 1)
if tonumber(redis.call('HGET', KEYS[1], 'last')) < tonumber(ARGV[6]) then
  redis.call('HSET', KEYS[1], 'last', ARGV[6])
end
if ARGV[5] ~= '' then redis.call('HSETNX', KEYS[1], ARGV[7], ARGV[5]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if count <= {_MEMBERS} then redis.call('HSET', KEYS[2], ARGV[8], ARGV[4]) end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
belongs(KEYS[3], ARGV[1])
trace(tonumber(ARGV[9]), ARGV[1], ARGV[2])
return count
"""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The stories that an article may belong to, likeliest first; `state` is what `begin` asks for."""

    stories: tuple[Story, ...]
    state: bytes


class StoryStore:
    """Stories, as all processes share them."""

    def __init__(self, store: Store, window: timedelta = WINDOW) -> None:
        self._client = store.binary
        self._window = _milliseconds(window)
        self._kept = max(self._window, _milliseconds(_KEPT))

    @translated
    async def of_document(self, source: str, document: str) -> str:
        """The story that an article was placed in, "" where it was in none."""
        return str((await self._client.get(_document_key(source, document)) or b"").decode())

    @translated
    async def look_up(self, sketch: Sketch) -> Candidates:
        """Find the stories that have most traces of an article."""
        texts, events = traces(sketch)
        keys = [_TRACE + trace for trace in (*texts, *events)]
        answer = await self._client.eval(_LOOK_UP, len(keys), *keys, len(texts), _CANDIDATES, _STORY)
        found = zip(answer[1::2], answer[2::2], strict=True)
        return Candidates(tuple(_story(number.decode(), fields) for number, fields in found if fields), answer[0])

    @translated
    async def begin(self, story_id: str, member: Member, sketch: Sketch, state: bytes) -> bool:
        """Begin a story; False where another article that may be of it came in between: then look up again."""
        texts, events = traces(sketch)
        keys = [_story_key(story_id), _members_key(story_id), _document_key(member.source, member.document)]
        keys += [_TRACE + trace for trace in (*texts, *events)]
        arguments = [len(texts), state, bytes.fromhex(story_id), self._window, self._kept, member.model_dump_json()]
        arguments += [sketch.model_dump_json(), member.time.timestamp(), _member(member)]
        return bool(await self._client.eval(_BEGIN, len(keys), *keys, *arguments))

    @translated
    async def join(self, story: Story, member: Member, sketch: Sketch) -> int:
        """Add an article to a story; returns how many it has then, 0 where the story has expired."""
        new = len(story.sketches) < _SKETCHES and sketch.language not in {known.language for known in story.sketches}
        keys = [_story_key(story.id), _members_key(story.id), _document_key(member.source, member.document)]
        texts, events = traces(sketch)
        keys += [_TRACE + trace for trace in (*texts, *events)]
        arguments = [bytes.fromhex(story.id), self._window, self._kept, member.model_dump_json()]
        arguments += [sketch.model_dump_json() if new else "", member.time.timestamp(), f"sketch {sketch.language}"]
        arguments += [_member(member), len(texts)]
        return int(await self._client.eval(_JOIN, len(keys), *keys, *arguments))

    @translated
    async def story(self, story_id: str) -> Story | None:
        """A story with its members, None where there is none or no more."""
        fields = await self._client.hgetall(_story_key(story_id))
        if not fields:
            return None
        flat = [part for pair in fields.items() for part in pair]
        members = map(Member.model_validate_json, await self._client.hvals(_members_key(story_id)))
        in_order = sorted(members, key=lambda member: (bool(member.why), member.time))
        return _story(story_id, flat).model_copy(update={"members": tuple(in_order)})


def _story(story_id: str, fields: Sequence[bytes]) -> Story:
    """A story of the fields of its hash, names and values in turn."""
    kept = dict(zip(fields[::2], fields[1::2], strict=True))
    others = sorted(name for name in kept if name.startswith(b"sketch "))
    return Story(
        id=story_id,
        first=Member.model_validate_json(kept[b"first"]),
        first_seen=_time(kept[b"seen"]),
        last_seen=_time(kept[b"last"]),
        count=int(kept[b"count"]),
        sketches=tuple(Sketch.model_validate_json(kept[name]) for name in (b"sketch", *others)),
    )


def _member(member: Member) -> str:
    return f"{member.source}\n{member.document}"


def _time(seconds: bytes) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)


def _story_key(story_id: str) -> bytes:
    return f"{_STORY}{story_id}".encode()


def _members_key(story_id: str) -> bytes:
    return f"{_STORY}{story_id}:members".encode()


def _document_key(source: str, document: str) -> bytes:
    return f"{_DOCUMENT}{digest(source, document)}".encode()


def _milliseconds(time: timedelta) -> int:
    return int(time.total_seconds() * 1000)
