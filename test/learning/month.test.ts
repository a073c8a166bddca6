import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { logIn } from '../helpers/accounts.ts'
import { testClock } from '../helpers/clock.ts'
import { curriculum, topicNamed } from '../helpers/curriculum.ts'
import { childToken, createChild, expectRefusal, type Parent, registerParent } from '../helpers/family.ts'
import { relieved } from '../helpers/pressure.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { purse } from '../helpers/stars.ts'
import { seededRandom } from '../helpers/tutor-talk.ts'

// Five weeks of a family in New York, through the door, with the clocks going back in the middle. Beside the server the
// test keeps books of its own, by the rules as the design tells them, and compares the two every evening. The ids that
// the server makes are random and pick the sparks, so what the children say may differ between runs; when they come,
// how long they stay and what is refused does not.

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const FIRST_DAY = '2026-10-15'
const DAYS = 35
const SEED = 20_261_015
const CLOCKS_GO_BACK = Date.parse('2026-11-01T06:00:00Z')

// ---- the calendar of New York in this autumn ----

const offset = (instant: number): number => (instant < CLOCKS_GO_BACK ? 4 : 5) * HOUR
const sinceMidnight = (instant: number): number => (instant - offset(instant)) % DAY
const dayOf = (instant: number): string => new Date(instant - offset(instant)).toISOString().slice(0, 10)
const plus = (day: string, days: number): string => new Date(Date.parse(day) + days * DAY).toISOString().slice(0, 10)
const daysUpTo = (today: string, from = FIRST_DAY): string[] => (from > today ? [] : [from, ...daysUpTo(today, plus(from, 1))])
const isWeekend = (day: string): boolean => [0, 6].includes(new Date(day).getUTCDay())
/** The instant at which the clock on the wall shows a time; the first one of the hour that comes twice. */
function wall(day: string, time: string): number {
  const summer = Date.parse(`${day}T${time}:00Z`) + 4 * HOUR
  return summer < CLOCKS_GO_BACK ? summer : summer + HOUR
}
const clockMinutes = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3))
const seconds = (instant: number): string => new Date(instant).toISOString().replace(/\.\d+Z$/, 'Z')

// ---- the books: what a child has come to ----

interface TopicOnMap {
  readonly id: string
  readonly name: string
  readonly neighbours: readonly string[]
  readonly needs: readonly { readonly slug: string; readonly depth: number }[]
}
/** The map by slugs, as the door shows it to the parent. */
type Atlas = ReadonlyMap<string, TopicOnMap>

interface Talk {
  readonly id: string
  readonly topic: string
  readonly startedAt: number
  readonly depthBefore: number
  readonly voice: string
  readonly sparkDay: string | undefined
  readonly badges: string[]
  isAnswered: boolean
  lastAt: number
  ms: number
  points: number
  turns: number
}

interface Kid {
  readonly name: string
  readonly childId: string
  token: string
  readonly birthday: { readonly day: string; readonly before: string; readonly from: string }
  readonly favourites: readonly string[]
  readonly limit: number
  bedtime: readonly [from: string, until: string] | undefined
  readonly restricted: Set<string>
  readonly granted: Map<string, number>
  readonly marks: Map<string, 'counted' | 'frozen'>
  freezes: number
  readonly stars: { readonly day: string; readonly amount: number; readonly for: 'talk' | 'spark' | 'shop' }[]
  /** The deepest that was paid, by "day topic". */
  readonly paid: Map<string, number>
  readonly badges: Set<string>
  readonly bought: Set<string>
  readonly sparks: Map<string, { id: string; question: string; isDone: boolean }>
  readonly talks: Talk[]
  readonly steps: { readonly topic: string; readonly depth: number; readonly at: number }[]
  readonly lastSeen: Map<string, number>
  readonly talkedOn: Map<string, Set<string>>
  readonly time: { readonly day: string; readonly topic: string; readonly ms: number }[]
  lastEvent: { readonly at: number; readonly topic: string } | undefined
  turns: number
  insights: number
}

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, number) => total + number, 0)
const minutes = (ms: number): number => Math.floor(ms / MINUTE)
const voiceOf = (kid: Kid, day: string): string => (day < kid.birthday.day ? kid.birthday.before : kid.birthday.from)

/** Learning time from one event to the next: two minutes at most, each side of midnight for its own day. */
function stretch(from: number, to: number): { day: string; ms: number }[] {
  const ms = Math.max(0, Math.min(to - from, 2 * MINUTE))
  const untilMidnight = Math.min(ms, DAY - sinceMidnight(from))
  return [
    { day: dayOf(from), ms: untilMidnight },
    { day: dayOf(from + ms), ms: ms - untilMidnight },
  ]
}

/** A start, a turn or an end. The time to the next one is learning time, but not after an end. */
function bookEvent(kid: Kid, at: number, topic: string): void {
  if (kid.lastEvent) for (const part of stretch(kid.lastEvent.at, at)) kid.time.push({ ...part, topic: kid.lastEvent.topic })
  kid.lastEvent = { at, topic }
}

const bookedOn = (kid: Kid, day: string): number => sum(kid.time.filter((part) => part.day === day).map((part) => part.ms))
const running = (kid: Kid, now: number): number =>
  kid.lastEvent ? sum(stretch(kid.lastEvent.at, now).flatMap((part) => (part.day === dayOf(now) ? part.ms : []))) : 0
const allowance = (kid: Kid, day: string): number => kid.limit + (kid.granted.get(day) ?? 0)

/** The streak on every day: a day that counts adds one, a frozen one keeps it, any other ends it. */
function streaks(kid: Kid, today: string): Map<string, number> {
  const lengths = new Map<string, number>()
  let length = 0
  for (const day of daysUpTo(today)) {
    const mark = kid.marks.get(day)
    length = mark === 'counted' ? length + 1 : mark === 'frozen' ? length : 0
    lengths.set(day, length)
  }
  return lengths
}

/** The streak as it stands: today may still come. */
function streakNow(kid: Kid, today: string): number {
  const lengths = streaks(kid, today)
  return (kid.marks.has(today) ? lengths.get(today) : lengths.get(plus(today, -1))) ?? 0
}

const MILESTONES = new Map([
  [3, 'streak_3'],
  [7, 'streak_7'],
  [14, 'two_week_wonder'],
  [30, 'streak_30'],
  [50, 'streak_50'],
])

/** Every seventh day earns a freeze; a frozen day that counts after all gives its own back; three fit in the hand. */
function bookCountedDay(kid: Kid, day: string): void {
  const mark = kid.marks.get(day)
  if (mark === 'counted') return
  if (mark === 'frozen') kid.freezes = Math.min(3, kid.freezes + 1)
  kid.marks.set(day, 'counted')
  earnFreeze(kid, day)
}

function earnFreeze(kid: Kid, day: string): void {
  if (streakNow(kid, day) % 7 === 0) kid.freezes = Math.min(3, kid.freezes + 1)
}

function depthsAt(kid: Kid, instant = Number.POSITIVE_INFINITY): Map<string, number> {
  const depths = new Map<string, number>()
  for (const { topic, depth, at } of kid.steps) if (at < instant) depths.set(topic, Math.max(depth, depths.get(topic) ?? 0))
  return depths
}

const isOpen = (atlas: Atlas, kid: Kid, slug: string, depths = depthsAt(kid)): boolean =>
  (depths.get(slug) ?? 0) > 0 || (atlas.get(slug)?.needs ?? []).every((need) => kid.restricted.has(need.slug) || (depths.get(need.slug) ?? 0) >= need.depth)
const openTopics = (atlas: Atlas, kid: Kid, depths = depthsAt(kid)): string[] =>
  [...atlas.keys()].filter((slug) => !kid.restricted.has(slug) && isOpen(atlas, kid, slug, depths))

const THRESHOLDS = [1, 3, 6, 9, 11, 13, 15, 17, 19, 21]
const depthOf = (talk: Talk): number => THRESHOLDS.filter((threshold) => talk.points >= threshold).length

/** Every badge that is deserved by now. */
function deserved(kid: Kid, today: string): string[] {
  const depths = [...depthsAt(kid)]
  const longest = Math.max(0, ...streaks(kid, today).values())
  return [
    ...depths.flatMap(([slug, depth]) => [3, 6, 10].flatMap((needed, rank) => (depth >= needed ? [`${slug}_explorer_${rank + 1}`] : []))),
    ...[5, 10].flatMap((needed) => (depths.some(([, depth]) => depth >= needed) ? [`deep_thinker_${needed}`] : [])),
    ...[10, 100, 500].flatMap((needed) => (kid.turns >= needed ? [`curious_mind_${needed}`] : [])),
    ...[...MILESTONES].flatMap(([days, badge]) => (longest >= days ? [badge] : [])),
  ].sort()
}

/** A turn that was taken: what it adds to the books. */
function bookTurn(atlas: Atlas, kid: Kid, talk: Talk, now: number, points: number, touched: readonly string[]): void {
  const before = depthsAt(kid)
  const crossed = touched.filter((slug) => slug !== talk.topic && isOpen(atlas, kid, slug, before))
  const newcomers = [talk.topic, ...crossed].filter((slug) => !before.has(slug))
  const talkedIn = new Set([...before.keys(), ...newcomers])
  const discovers = newcomers.some((slug) => atlas.get(slug)?.neighbours.some((neighbour) => talkedIn.has(neighbour)))
  bookEvent(kid, now, talk.topic)
  bookCountedDay(kid, dayOf(now))
  talk.ms += Math.min(now - talk.lastAt, 2 * MINUTE)
  Object.assign(talk, { lastAt: now, points: talk.points + points, turns: talk.turns + 1 })
  kid.turns += 1
  kid.talkedOn.set(dayOf(now), new Set([...(kid.talkedOn.get(dayOf(now)) ?? []), talk.topic]))
  const depth = depthOf(talk)
  kid.steps.push({ topic: talk.topic, depth, at: now }, ...crossed.map((topic) => ({ topic, depth: 0, at: now })))
  for (const topic of [talk.topic, ...crossed]) kid.lastSeen.set(topic, now)
  const isDeeper = [3, 6, 10].some((step) => step > (before.get(talk.topic) ?? 0) && step <= depth)
  if (discovers || isDeeper) kid.insights += 1
}

/** Five stars for each depth that was not paid for the topic that day, 150 a day for talks. */
function bookEnd(kid: Kid, talk: Talk, now: number): number {
  const day = dayOf(now)
  bookEvent(kid, now, talk.topic)
  kid.lastEvent = undefined
  talk.ms += Math.min(now - talk.lastAt, 2 * MINUTE)
  if (talk.turns === 0) return 0
  const key = `${day} ${talk.topic}`
  const already = kid.paid.get(key) ?? 0
  const today = sum(kid.stars.flatMap((move) => (move.day === day && move.for === 'talk' ? move.amount : [])))
  const amount = Math.min(5 * Math.max(0, depthOf(talk) - already), 150 - today)
  kid.paid.set(key, Math.max(already, depthOf(talk)))
  if (amount > 0) kid.stars.push({ day, amount, for: 'talk' })
  return amount
}

const balance = (kid: Kid): number => sum(kid.stars.map((move) => move.amount))
const earned = (kid: Kid, from = FIRST_DAY): number => sum(kid.stars.flatMap((move) => (move.amount > 0 && move.day >= from ? move.amount : [])))

interface Refusal {
  readonly status: number
  readonly code: string
  readonly reason?: string
}
const LOCKED: Refusal = { status: 422, code: 'UNPROCESSABLE_ENTITY', reason: 'locked' }

/** Why talking about a topic must be refused now, in the order of refusals. */
function refusalOf(atlas: Atlas, kid: Kid, topic: string, now: number): Refusal | undefined {
  if (kid.restricted.has(topic)) return { status: 403, code: 'FORBIDDEN' }
  const [from, until] = (kid.bedtime ?? ['00:00', '00:00']).map(clockMinutes) as [number, number]
  const minute = sinceMidnight(now) / MINUTE
  if (kid.bedtime && (minute >= from || minute < until)) return { status: 403, code: 'TIME_LIMIT_REACHED', reason: 'bedtime' }
  const used = bookedOn(kid, dayOf(now)) + running(kid, now)
  if (used >= allowance(kid, dayOf(now)) * MINUTE) return { status: 403, code: 'TIME_LIMIT_REACHED', reason: 'time_limit' }
  return isOpen(atlas, kid, topic) ? undefined : LOCKED
}

const ANSWERS = ['I think a friendly dragon did it', 'My cat would laugh at that', 'I would paint everything blue', 'Because the moon told me so']
const NONSENSE = 'Blorp zzzt wumfle?'

describe('a month of a family', () => {
  const clock = testClock(wall(FIRST_DAY, '08:00'))
  let server: TestServer
  let parent: Parent
  let atlas: Atlas
  let emma: Kid
  let noah: Kid
  let prices: { id: string; cost: number; category: string }[]
  /** How often each refusal was met. Each one was foretold by the books. */
  const refusals = new Map<string, number>()

  beforeAll(async () => {
    server = await startTestServer({ clock })
    parent = await registerParent(server.api, { timezone: 'America/New_York' })
    atlas = await readAtlas()
    emma = await newKid({
      name: 'Emma',
      birthDate: '2019-10-29',
      birthday: { day: '2026-10-29', before: 'wonder_cubs', from: 'curious_explorers' },
      favourites: ['animals', 'oceans', 'space', 'stories'],
      limit: 15,
      bedtime: ['19:30', '07:00'],
    })
    noah = await newKid({
      name: 'Noah',
      birthDate: '2017-03-03',
      birthday: { day: '2027-03-03', before: 'curious_explorers', from: 'mind_masters' },
      favourites: ['space', 'physics', 'numbers', 'dinosaurs'],
      limit: 20,
      bedtime: ['21:00', '06:30'],
    })
    prices = (await ask(emma, 'GET', '/v1/shop')).toSorted((a: { cost: number }, b: { cost: number }) => a.cost - b.cost)
  })
  afterAll(() => server.close())

  async function readAtlas(): Promise<Atlas> {
    const topics: { id: string; slug: string; name: string; connections: string[] }[] = (await server.api.get('/v1/topics', parent)).body.data
    const slugs = new Map(topics.map(({ id, slug }) => [id, slug]))
    const entries = topics.map(async ({ id, slug, name, connections: neighbours }) => {
      const { prerequisites } = (await server.api.get(`/v1/topics/${id}`, parent)).body.data
      const needs = prerequisites.map((need: { topic_id: string; depth: number }) => ({ slug: slugs.get(need.topic_id), depth: need.depth }))
      return [slug, { id, name, neighbours, needs }] as const
    })
    return new Map(await Promise.all(entries))
  }

  async function newKid(
    profile: { birthDate: string; bedtime: readonly [string, string] } & Pick<Kid, 'name' | 'birthday' | 'favourites' | 'limit'>,
  ): Promise<Kid> {
    const { name, birthDate, bedtime, limit, ...rest } = profile
    const settings = { daily_time_limit_minutes: limit, bedtime_start: bedtime[0], bedtime_end: bedtime[1] }
    clock.advance(SECOND)
    const childId = await createChild(server.api, parent.token, { name, birthDate, settings })
    const empty = {
      marks: new Map(),
      stars: [],
      paid: new Map(),
      badges: new Set<string>(),
      bought: new Set<string>(),
      sparks: new Map(),
      talks: [],
      steps: [],
    }
    const untouched = { restricted: new Set<string>(), granted: new Map(), lastSeen: new Map(), talkedOn: new Map(), time: [], lastEvent: undefined }
    const token = await childToken(server.api, { ...parent, childId })
    return { ...rest, ...empty, ...untouched, name, childId, token, limit, bedtime, freezes: 2, turns: 0, insights: 0 }
  }

  /** The parent signs in again: its token lasts a day, and days go by between what it does. */
  async function signIn(): Promise<void> {
    parent = { ...parent, token: (await logIn(server.api, parent.email)).body.data.tokens.access_token }
  }

  // ---- what the family does ----

  /** A request of a child, which must be refused exactly when the books say so. */
  async function ask(kid: Kid, method: 'GET' | 'POST' | 'PATCH', path: string, body?: object, refusal?: Refusal) {
    const response = await server.api.send(method, path, { token: kid.token, child: kid.childId, ...(body && { body }) })
    const story = `${kid.name}, ${seconds(clock.now())}: ${method} ${path} ${JSON.stringify(body)} -> ${response.text}`
    if (!refusal) {
      expect(response.status, story).toBeLessThan(300)
      return response.body.data
    }
    expect([response.status, response.body?.error?.code], story).toEqual([refusal.status, refusal.code])
    expectRefusal(response, refusal.status, refusal.code)
    if (refusal.reason) expect(response.body.error.reason, story).toBe(refusal.reason)
    const name = refusal.reason ?? refusal.code
    refusals.set(name, (refusals.get(name) ?? 0) + 1)
    return undefined
  }

  /** Begins a talk about a topic, or about the spark of the day; undefined when that is refused. */
  async function start(kid: Kid, topic: string, isSpark = false): Promise<Talk | undefined> {
    const now = clock.now()
    const refusal = refusalOf(atlas, kid, topic, now)
    const depthBefore = depthsAt(kid).get(topic) ?? 0
    const body = isSpark ? { conversation_type: 'brain_spark' } : { topic_id: atlas.get(topic)?.id, conversation_type: 'exploration' }
    const data = await ask(kid, 'POST', '/v1/conversations', body, refusal)
    if (refusal) return undefined
    expect(data.topic.name).toBe(atlas.get(topic)?.name)
    expect(data.opening_message.content).toContain(kid.name)
    expect(data.opening_message.choices).toHaveLength(3)
    bookEvent(kid, now, topic)
    kid.lastSeen.set(topic, now)
    const fresh = { startedAt: now, lastAt: now, depthBefore, voice: voiceOf(kid, dayOf(now)), ms: 0, points: 0, turns: 0, isAnswered: false, badges: [] }
    const talk: Talk = { id: data.conversation_id, topic, sparkDay: isSpark ? dayOf(now) : undefined, ...fresh }
    kid.talks.push(talk)
    return talk
  }

  /** Takes one turn, by choice or in own words; false when it is refused. */
  async function say(kid: Kid, talk: Talk, said: number | string): Promise<boolean> {
    const now = clock.now()
    const refusal = refusalOf(atlas, kid, talk.topic, now)
    const body = typeof said === 'number' ? { choice_index: said } : { content: said, is_free_form: true }
    const data = await ask(kid, 'POST', `/v1/conversations/${talk.id}/messages`, body, refusal)
    if (refusal) return false
    const { passage } = await server.deps.db.prisma.message.findUniqueOrThrow({ where: { id: data.assistant_message.id }, select: { passage: true } })
    const [toldTopic, voice] = passage?.split('/') ?? []
    const across = passage ? curriculum.passage(passage)?.across?.slug : undefined
    const touched = [toldTopic, across].filter((slug) => slug !== undefined)
    if (toldTopic !== undefined) expect([voice, kid.restricted.has(toldTopic)], passage ?? '').toEqual([talk.voice, false])
    const isNear = toldTopic === talk.topic || atlas.get(talk.topic)?.neighbours.includes(toldTopic ?? '')
    const answersSpark = typeof said === 'string' && talk.sparkDay !== undefined && !talk.isAnswered
    talk.isAnswered ||= answersSpark
    const depthBefore = depthOf(talk)
    bookTurn(atlas, kid, talk, now, typeof said === 'number' ? 1 : isNear || answersSpark ? 2 : 0, touched)
    expect([data.depth_level, data.depth_increased]).toEqual([depthOf(talk), depthOf(talk) > depthBefore])
    expect(data.assistant_message.choices).toHaveLength(3)
    const news = deserved(kid, dayOf(now)).filter((badge) => !kid.badges.has(badge))
    expect(data.rewards.map((reward: { id: string }) => reward.id)).toEqual(news)
    for (const badge of news) kid.badges.add(badge)
    talk.badges.push(...news)
    return true
  }

  async function end(kid: Kid, talk: Talk): Promise<void> {
    const stars = bookEnd(kid, talk, clock.now())
    const data = await ask(kid, 'POST', `/v1/conversations/${talk.id}/end`)
    expect(data).toEqual({
      conversation_id: talk.id,
      summary: expect.stringContaining(kid.name),
      duration_minutes: minutes(talk.ms),
      depth_reached: depthOf(talk),
      questions_asked: talk.turns,
      rewards_earned: [
        ...(stars > 0 ? [{ type: 'star', amount: stars }] : []),
        ...talk.badges.toSorted().map((id) => ({ type: 'badge', id, name: expect.any(String), animation: 'badge_reveal' })),
      ],
      progress_update: { topic: atlas.get(talk.topic)?.name, previous_depth: talk.depthBefore, new_depth: Math.max(talk.depthBefore, depthOf(talk)) },
    })
    expect(await ask(kid, 'POST', `/v1/conversations/${talk.id}/end`)).toEqual(data)
  }

  /** Looks at the spark of the day, which must be new; the slug of its topic. */
  async function lookAtSpark(kid: Kid): Promise<string> {
    const today = dayOf(clock.now())
    const spark = await ask(kid, 'GET', '/v1/brain-spark')
    const known = kid.sparks.get(today)
    expect(spark).toMatchObject({ date: today, already_completed: known?.isDone ?? false, streak_at_risk: !kid.marks.has(today) && streakNow(kid, today) > 0 })
    if (known) expect([spark.id, spark.question]).toEqual([known.id, known.question])
    else expect([...kid.sparks.values()].map((other) => other.question)).not.toContain(spark.question)
    kid.sparks.set(today, { id: spark.id, question: spark.question, isDone: known?.isDone ?? false })
    const slug = [...atlas].find(([, topic]) => topic.id === spark.topic.id)?.[0] ?? ''
    expect(kid.restricted.has(slug)).toBe(false)
    return slug
  }

  async function completeSpark(kid: Kid, talk: Talk): Promise<void> {
    const { sparkDay = '' } = talk
    const spark = kid.sparks.get(sparkDay)
    const current = streaks(kid, sparkDay).get(sparkDay) ?? 0
    const badge = MILESTONES.get(current)
    const data = await ask(kid, 'POST', `/v1/brain-spark/${spark?.id}/complete`, { conversation_id: talk.id })
    expect(data).toEqual({
      completed: true,
      rewards: [{ type: 'star', amount: 5 }],
      streak_update: { previous: current - 1, current, milestone_reached: badge ? { days: current, reward: { type: 'badge', id: badge } } : null },
    })
    if (spark) spark.isDone = true
    kid.stars.push({ day: dayOf(clock.now()), amount: 5, for: 'spark' })
  }

  /** Freezes what was missed, or today; what comes of it is foretold. */
  async function freeze(kid: Kid): Promise<void> {
    const today = dayOf(clock.now())
    const counted = [...kid.marks].flatMap(([day, mark]) => (mark === 'counted' && day < today ? [day] : []))
    const isCounted = kid.marks.get(today) === 'counted'
    const missed = counted.length === 0 ? [] : daysUpTo(plus(today, -1), plus(counted.sort().at(-1) ?? '', 1)).filter((day) => !kid.marks.has(day))
    const covered = missed.length > 0 ? missed : counted.length === 0 || kid.marks.has(today) ? [] : [today]
    const path = '/v1/streaks/freeze'
    if (covered.length === 0 && counted.length === 0 && !isCounted) return ask(kid, 'POST', path, undefined, { ...LOCKED, reason: 'no_streak' })
    if (covered.length === 0) return ask(kid, 'POST', path, undefined, { status: 409, code: 'CONFLICT', reason: 'not_needed' })
    if (covered.length > kid.freezes) return ask(kid, 'POST', path, undefined, { ...LOCKED, reason: 'too_few_freezes' })
    for (const day of covered) kid.marks.set(day, 'frozen')
    kid.freezes -= covered.length
    if (isCounted) earnFreeze(kid, today)
    const data = await ask(kid, 'POST', path)
    expect(data).toEqual({ freeze_used: true, streak_preserved: streakNow(kid, today), freezes_remaining: kid.freezes })
    for (const badge of deserved(kid, today)) kid.badges.add(badge)
  }

  /** Tries to buy; what comes of it is foretold. */
  async function buy(kid: Kid, id: string): Promise<void> {
    const { cost = 0, category } = prices.find((item) => item.id === id) ?? {}
    const path = `/v1/shop/${id}/purchase`
    const isFreeze = category === 'streak_freeze'
    if (!isFreeze && kid.bought.has(id)) return ask(kid, 'POST', path, undefined, { status: 409, code: 'CONFLICT', reason: 'owned' })
    if (cost > balance(kid)) return ask(kid, 'POST', path, undefined, { ...LOCKED, reason: 'too_few_stars' })
    if (isFreeze && kid.freezes === 3) return ask(kid, 'POST', path, undefined, { status: 409, code: 'CONFLICT', reason: 'full' })
    kid.stars.push({ day: dayOf(clock.now()), amount: -cost, for: 'shop' })
    const data = await ask(kid, 'POST', path)
    expect(data).toMatchObject({ purchased: true, item: { id }, stars_spent: cost, new_balance: balance(kid) })
    if (isFreeze) kid.freezes += 1
    else kid.bought.add(id)
    if (category === 'theme') expect((await ask(kid, 'PATCH', '/v1/session', { theme_id: id })).child.theme_id).toBe(id)
  }

  /** Sunday: what can be paid is bought, what cannot is tried. */
  async function goShopping(kid: Kid): Promise<void> {
    const dear = prices.find((item) => item.cost > balance(kid))
    if (dear) await buy(kid, dear.id)
    // Emma buys none: one of her gaps must be too wide for the freezes she has.
    if (kid.name === 'Noah' && balance(kid) >= 200 && kid.freezes < 3) await buy(kid, 'streak_freeze')
    const wanted = prices.find((item) => item.category !== 'streak_freeze' && !kid.bought.has(item.id) && item.cost <= balance(kid))
    if (wanted) await buy(kid, wanted.id)
    const [owned] = kid.bought
    if (owned) await buy(kid, owned)
  }

  const pick = <T>(random: () => number, from: readonly T[]): T => from[Math.floor(random() * from.length)] as T

  /** What a child says next: mostly a choice, often a question about the topic, now and then something else. */
  function words(talk: Talk, random: () => number): number | string {
    if (talk.sparkDay !== undefined && !talk.isAnswered) return pick(random, ANSWERS)
    const about = random() < 0.2 ? pick(random, [...atlas.keys()]) : talk.topic
    const question = pick(
      random,
      pick(
        random,
        curriculum.passagesOf(topicNamed(about), talk.voice as 'wonder_cubs').filter((one) => one.questions.length > 0),
      ).questions,
    )
    const kind = random()
    return talk.sparkDay !== undefined || kind < 0.5 ? Math.floor(random() * 3) : kind < 0.93 ? question : NONSENSE
  }

  interface Visit {
    readonly at: number
    /** Turns to take; none given: until the server says stop. */
    readonly turns?: number
    readonly spark?: boolean
  }

  /** One sitting: the spark first, then topics until the turns are used up or the server says stop. */
  async function visit(kid: Kid, { at, turns = Number.POSITIVE_INFINITY, spark = true }: Visit): Promise<void> {
    const random = seededRandom(at)
    const pace = seededRandom(at + 1)
    const wait = (least: number, most: number) => clock.advance(Math.floor((least + pace() * (most - least)) * SECOND))
    clock.set(at)
    let left = turns
    const hold = async (talk: Talk | undefined, turnsOfIt: number): Promise<void> => {
      let goesOn = talk !== undefined
      for (let turn = 0; talk && goesOn && turn < turnsOfIt && left > 0; turn += 1) {
        wait(45, 130)
        goesOn = await say(kid, talk, words(talk, random))
        if (goesOn) left -= 1
      }
      if (talk) {
        if (talk.sparkDay !== undefined && talk.turns > 0) await completeSpark(kid, talk)
        wait(1, 8)
        await end(kid, talk)
      }
      if (!goesOn) left = 0
      wait(5, 30)
    }
    if (spark && !kid.sparks.get(dayOf(at))?.isDone) await hold(await start(kid, await lookAtSpark(kid), true), 2)
    while (left > 0) {
      const open = openTopics(atlas, kid)
      const liked = kid.favourites.filter((slug) => open.includes(slug))
      await hold(await start(kid, pick(random, random() < 0.7 ? liked : open)), 3 + Math.floor(random() * 6))
    }
  }

  /** Tries a topic that is not open, where there is one. */
  async function rattle(kid: Kid): Promise<void> {
    const locked = [...atlas.keys()].find((slug) => !kid.restricted.has(slug) && !isOpen(atlas, kid, slug))
    if (locked && refusalOf(atlas, kid, locked, clock.now()) === LOCKED) expect(await start(kid, locked)).toBeUndefined()
  }

  const control = async (kid: Kid, method: 'PATCH' | 'POST', what: string, body: object) => {
    await signIn()
    const response = await server.api.send(method, `/v1/dashboard/children/${kid.childId}/${what}`, { token: parent.token, body })
    expect(response.status, response.text).toBe(200)
  }

  async function restrict(kid: Kid, slugs: readonly string[]): Promise<void> {
    await control(kid, 'PATCH', 'settings', { restricted_topics: slugs.map((slug) => atlas.get(slug)?.id) })
    kid.restricted.clear()
    for (const slug of slugs) kid.restricted.add(slug)
  }

  async function setBedtime(kid: Kid, bedtime: readonly [string, string] | undefined): Promise<void> {
    await control(kid, 'PATCH', 'settings', { bedtime_start: bedtime?.[0] ?? null, bedtime_end: bedtime?.[1] ?? null })
    kid.bedtime = bedtime
  }

  async function grant(kid: Kid, more: number): Promise<void> {
    await control(kid, 'POST', 'grant', { minutes: more })
    kid.granted.set(dayOf(clock.now()), (kid.granted.get(dayOf(clock.now())) ?? 0) + more)
  }

  /** The thirty days of the tablet's token are over. */
  async function signTabletInAgain(kid: Kid): Promise<void> {
    await ask(kid, 'GET', '/v1/session', undefined, { status: 401, code: 'TOKEN_EXPIRED' })
    await signIn()
    kid.token = await childToken(server.api, { ...parent, childId: kid.childId })
  }

  // ---- what must be true every evening ----

  /** The child's own views, and the rows behind them. */
  async function checkChild(kid: Kid, today: string): Promise<void> {
    const { prisma } = server.deps.db
    const where = { childId: kid.childId }
    const now = clock.now()
    const lengths = streaks(kid, today)
    const longest = Math.max(0, ...lengths.values())
    const depths = depthsAt(kid)
    const shown = [...atlas.keys()].filter((slug) => !kid.restricted.has(slug))
    const open = openTopics(atlas, kid)
    const held = kid.talks.filter((talk) => talk.turns > 0)
    const totalMs = sum(kid.time.map((part) => part.ms))

    expect(await purse(server, kid)).toEqual({ balance: balance(kid), starSum: balance(kid), freezes: kid.freezes, freezeSum: kid.freezes })
    const badges = (await prisma.badge.findMany({ where, select: { badgeId: true } })).map((badge) => badge.badgeId).sort()
    expect(badges).toEqual(deserved(kid, today))
    expect(new Set(badges).size).toBe(badges.length)
    const sparkKeys = (await prisma.dailySpark.findMany({ where, select: { sparkKey: true } })).map((spark) => spark.sparkKey)
    expect([new Set(sparkKeys).size, sparkKeys.length]).toEqual([kid.sparks.size, kid.sparks.size])
    const passages = await prisma.message.groupBy({ by: ['conversationId', 'passage'], where: { ...where, passage: { not: null } }, _count: true })
    expect(passages.filter((passage) => passage._count > 1)).toEqual([])

    const session = await ask(kid, 'GET', '/v1/session')
    const usedMs = bookedOn(kid, today) + running(kid, now)
    expect(session.child.age_group).toBe(voiceOf(kid, today))
    expect(session.time).toEqual({
      daily_time_limit_minutes: kid.limit,
      granted_minutes: kid.granted.get(today) ?? 0,
      used_minutes: minutes(usedMs),
      minutes_left: Math.ceil(Math.max(0, allowance(kid, today) - usedMs / MINUTE)),
    })
    const booked = await prisma.topicDay.aggregate({ where: { ...where, day: new Date(today) }, _sum: { timeMs: true } })
    expect(booked._sum.timeMs ?? 0).toBe(bookedOn(kid, today))
    // The last turn was let in before the limit, and its reading counts two minutes at most.
    expect(bookedOn(kid, today)).toBeLessThanOrEqual((allowance(kid, today) + 2) * MINUTE)

    const progress = await ask(kid, 'GET', '/v1/progress')
    expect(progress).toEqual({
      total_time_spent_minutes: minutes(totalMs),
      topics_unlocked: open.length,
      topics_explored: open.filter((slug) => (depths.get(slug) ?? 0) >= 3).length,
      total_depth_reached: sum(shown.map((slug) => depths.get(slug) ?? 0)),
      conversations_count: held.length,
      questions_asked: kid.turns,
      aha_moments: kid.insights,
      streak: { current: streakNow(kid, today), longest },
      stars: { balance: balance(kid), lifetime_earned: earned(kid) },
      badges_count: badges.length,
    })

    const topics = await ask(kid, 'GET', '/v1/progress/topics')
    const begun = shown.filter((slug) => kid.lastSeen.has(slug))
    expect(topics.map((line: { unlocked_at: string }) => ({ ...line, unlocked_at: typeof line.unlocked_at }))).toEqual(
      begun.map((slug) => ({
        topic_id: atlas.get(slug)?.id,
        topic_name: atlas.get(slug)?.name,
        depth_level: depths.get(slug) ?? 0,
        max_depth: 10,
        time_spent_minutes: minutes(sum(kid.time.flatMap((part) => (part.topic === slug ? part.ms : [])))),
        conversations_count: held.filter((talk) => talk.topic === slug).length,
        unlocked_at: 'string',
        last_interaction: seconds(kid.lastSeen.get(slug) ?? 0),
      })),
    )

    const activity = await ask(kid, 'GET', '/v1/progress/activity?days=30')
    expect(activity.map((day: { topics_explored: string[] }) => ({ ...day, topics_explored: day.topics_explored.toSorted() }))).toEqual(
      Array.from({ length: 30 }, (_, index) => plus(today, -index)).map((day) => ({
        date: day,
        time_spent_minutes: minutes(bookedOn(kid, day)),
        topics_explored: [...(kid.talkedOn.get(day) ?? [])].flatMap((slug) => (kid.restricted.has(slug) ? [] : (atlas.get(slug)?.name ?? []))).sort(),
        brain_spark_completed: kid.sparks.get(day)?.isDone ?? false,
        stars_earned: earned(kid, day) - earned(kid, plus(day, 1)),
        streak_day: kid.marks.has(day) ? lengths.get(day) : 0,
      })),
    )

    const next = [...MILESTONES].find(([days]) => days > streakNow(kid, today))
    const counted = [...kid.marks].flatMap(([day, mark]) => (mark === 'counted' ? [day] : [])).sort()
    expect(await ask(kid, 'GET', '/v1/streaks')).toEqual({
      current_streak: streakNow(kid, today),
      longest_streak: longest,
      last_activity_date: counted.at(-1) ?? null,
      streak_freezes_available: kid.freezes,
      next_milestone: { days: next?.[0], reward: { type: 'badge', id: next?.[1] } },
      history: Array.from({ length: 30 }, (_, index) => plus(today, -index)).map((day) => ({
        date: day,
        active: kid.marks.get(day) === 'counted',
        frozen: kid.marks.get(day) === 'frozen',
        streak: kid.marks.has(day) ? lengths.get(day) : 0,
      })),
    })

    const rewards = await ask(kid, 'GET', '/v1/rewards')
    expect(rewards.stars).toEqual({ balance: balance(kid), lifetime_earned: earned(kid) })
    expect(rewards.badges.map((badge: { id: string }) => badge.id).sort()).toEqual(badges)
    expect(rewards.unlocks.map((unlock: { id: string }) => unlock.id).sort()).toEqual([...kid.bought].sort())

    const constellation = await ask(kid, 'GET', '/v1/constellation')
    expect(constellation.topics.map((topic: { slug: string; status: string; depth_level: number }) => [topic.slug, topic.status, topic.depth_level])).toEqual(
      shown.map((slug) => [slug, !open.includes(slug) ? 'locked' : (depths.get(slug) ?? 0) >= 3 ? 'explored' : 'unlocked', depths.get(slug) ?? 0]),
    )
    for (const { from, to, discovered } of constellation.connections) {
      const ends = [from, to].map((id) => [...atlas].find(([, topic]) => topic.id === id)?.[0] ?? '')
      expect(discovered, ends.join(' - ')).toBe(ends.every((slug) => depths.has(slug)))
    }
  }

  const deepest = new Map<string, number>()
  /** No topic is ever shallower than it was the evening before, restricted for a while or not. */
  async function checkDepths(kid: Kid): Promise<void> {
    for (const { topicId, depth } of await server.deps.db.prisma.topicProgress.findMany({ where: { childId: kid.childId } })) {
      const key = `${kid.childId} ${topicId}`
      expect(depth).toBeGreaterThanOrEqual(deepest.get(key) ?? 0)
      deepest.set(key, depth)
    }
  }

  /** The parent's view of a period against the books, and against what the child sees. */
  async function checkDashboard(period: 'day' | 'week' | 'month', length: number, today: string): Promise<void> {
    const get = async (path: string) => (await server.api.get(`/v1/dashboard${path}`, { token: parent.token })).body.data
    const { children } = await get(`?period=${period}`)
    expect(children.map((child: { name: string }) => child.name)).toEqual(['Emma', 'Noah'])
    for (const [index, kid] of [emma, noah].entries()) {
      const { summary, daily_breakdown: days } = children[index]
      const from = plus(today, 1 - length)
      const time = kid.time.filter((part) => part.day >= from)
      const talkedIn = new Set([...kid.talkedOn].flatMap(([day, slugs]) => (day >= from ? [...slugs] : [])))
      const held = kid.talks.filter((talk) => talk.turns > 0 && dayOf(talk.startedAt) >= from)
      expect(summary, `${kid.name}, ${period} up to ${today}`).toEqual({
        total_time_minutes: minutes(sum(time.map((part) => part.ms))),
        sessions_count: held.length,
        topics_explored: talkedIn.size,
        new_topics_unlocked: openTopics(atlas, kid).length - openTopics(atlas, kid, depthsAt(kid, wall(from, '00:00'))).length,
        brain_sparks_completed: [...kid.sparks].filter(([day, spark]) => spark.isDone && day >= from).length,
        current_streak: streakNow(kid, today),
        stars_earned: earned(kid, from),
      })

      const activity = await ask(kid, 'GET', `/v1/progress/activity?days=${length}`)
      expect(days).toEqual(
        activity.map((day: { date: string; time_spent_minutes: number }) => ({
          date: day.date,
          minutes: day.time_spent_minutes,
          active: kid.marks.get(day.date) === 'counted',
        })),
      )
      expect(summary.stars_earned).toBe(sum(activity.map((day: { stars_earned: number }) => day.stars_earned)))
      expect(summary.brain_sparks_completed).toBe(activity.filter((day: { brain_spark_completed: boolean }) => day.brain_spark_completed).length)
      const whole = sum(days.map((day: { minutes: number }) => day.minutes))
      expect(summary.total_time_minutes - whole).toBeGreaterThanOrEqual(0)
      expect(summary.total_time_minutes - whole).toBeLessThan(days.length)

      const { topics_explored: lines, conversations } = await get(`/children/${kid.childId}/activity?period=${period}&include_conversations=true`)
      expect(new Map(lines.map((line: { topic_id: string }) => [line.topic_id, line]))).toEqual(
        new Map(
          [...talkedIn].map((slug) => [
            atlas.get(slug)?.id,
            {
              topic_id: atlas.get(slug)?.id,
              name: atlas.get(slug)?.name,
              time_spent_minutes: minutes(sum(time.flatMap((part) => (part.topic === slug ? part.ms : [])))),
              depth_change: { from: depthsAt(kid, wall(from, '00:00')).get(slug) ?? 0, to: depthsAt(kid).get(slug) ?? 0 },
              sample_questions: expect.any(Array),
            },
          ]),
        ),
      )
      expect(
        conversations.map((line: { id: string; depth_reached: number; duration_minutes: number }) => [line.id, line.depth_reached, line.duration_minutes]),
      ).toEqual(
        held
          .toReversed()
          .slice(0, 100)
          .map((talk) => [talk.id, depthOf(talk), minutes(talk.ms)]),
      )
    }
  }

  async function evening(today: string): Promise<void> {
    clock.set(wall(today, '22:30'))
    await signIn()
    const { children } = (await server.api.get('/v1/parents/me', { token: parent.token })).body.data
    expect(children.map((child: { age_group: string }) => child.age_group)).toEqual([voiceOf(emma, today), voiceOf(noah, today)])
    for (const kid of [emma, noah]) {
      await checkChild(kid, today)
      await checkDepths(kid)
    }
    for (const [period, length] of [
      ['day', 1],
      ['week', 7],
      ['month', 30],
    ] as const)
      await checkDashboard(period, length, today)
  }

  // ---- the days ----

  /** Days on which a child does not come at all, by their number. */
  const away: ReadonlyMap<string, readonly number[]> = new Map([
    ['Emma', [5, 6, 11, 12]],
    ['Noah', [8, 25]],
  ])
  const HALLOWEEN = 16

  async function ordinaryDay(kid: Kid, number: number, today: string): Promise<void> {
    const random = seededRandom(SEED + number * 2 + (kid === emma ? 0 : 1))
    const [bedtime = ''] = kid.bedtime ?? []
    const spark = random() < 0.85
    if (number % 8 === 3) return visit(kid, { at: wall(today, bedtime) - 7 * MINUTE - Math.floor(random() * 40) * SECOND, spark })
    const at = wall(today, kid === emma ? '15:30' : '17:00') + Math.floor(random() * 60) * MINUTE
    if (isWeekend(today)) return visit(kid, { at, spark })
    await visit(kid, { at, turns: 5 + Math.floor(random() * 3), spark })
    if (random() < 0.4) await rattle(kid)
  }

  /** What is different on some days, before the children come. */
  const mornings: Readonly<Record<number, () => Promise<unknown>>> = {
    0: () => freeze(emma),
    7: () => freeze(emma),
    8: () => restrict(emma, ['animals']),
    13: () => freeze(emma),
    15: () => restrict(emma, []),
    [HALLOWEEN]: () => setBedtime(noah, undefined),
    [HALLOWEEN + 1]: () => setBedtime(noah, ['21:00', '06:30']),
    20: () => freeze(noah),
    25: () => freeze(noah),
    30: async () => {
      for (const kid of [emma, noah]) await signTabletInAgain(kid)
    },
  }

  /** What follows after the children have come. */
  const afternoons: Readonly<Record<number, () => Promise<unknown>>> = {
    4: () => freeze(noah),
    9: async () => {
      await freeze(noah)
      await grant(noah, 10)
      clock.advance(3 * MINUTE)
      await visit(noah, { at: clock.now() })
    },
    10: () => start(emma, 'animals'),
    21: () => onTwoDevices(noah),
  }

  /** Two talks side by side: their time is one stream. */
  async function onTwoDevices(kid: Kid): Promise<void> {
    clock.advance(2 * MINUTE)
    const first = await start(kid, 'space')
    clock.advance(20 * SECOND)
    const talks = [first, await start(kid, 'numbers')]
    for (let turn = 0; turn < 4; turn += 1) {
      clock.advance(35 * SECOND)
      const talk = talks[turn % 2]
      if (talk) expect(await say(kid, talk, turn % 3)).toBe(true)
    }
    for (const talk of talks) {
      clock.advance(10 * SECOND)
      if (talk) await end(kid, talk)
    }
  }

  /** Noah may stay up: over midnight, and through the hour that comes twice. */
  async function halloween(today: string): Promise<void> {
    clock.set(wall(today, '23:52'))
    const spark = await start(noah, await lookAtSpark(noah), true)
    for (const time of ['23:54', '23:55', '23:59']) {
      clock.set(wall(today, time) + 30 * SECOND)
      if (spark) expect(await say(noah, spark, time === '23:54' ? 'I would be the moon' : 0)).toBe(true)
    }
    const tomorrow = plus(today, 1)
    clock.set(wall(tomorrow, '00:01'))
    if (spark) await completeSpark(noah, spark)
    if (spark) expect(await say(noah, spark, 1)).toBe(true)
    clock.set(wall(tomorrow, '00:02'))
    if (spark) await end(noah, spark)
    clock.set(wall(tomorrow, '01:57'))
    const talk = await start(noah, 'space')
    for (const at of [-90, -20, 45, 100]) {
      clock.set(CLOCKS_GO_BACK + at * SECOND)
      if (talk) expect(await say(noah, talk, 0)).toBe(true)
    }
    clock.set(CLOCKS_GO_BACK + 10 * MINUTE)
    if (talk) await end(noah, talk)
  }

  it('agrees with the books every evening, for five weeks', { timeout: 120_000 }, async () => {
    for (let number = 0; number < DAYS; number += 1) {
      const today = plus(FIRST_DAY, number)
      await relieved(server.app)
      clock.set(wall(today, '09:00'))
      await mornings[number]?.()
      for (const kid of [emma, noah]) {
        if (away.get(kid.name)?.includes(number) || (kid === noah && number === HALLOWEEN)) continue
        await ordinaryDay(kid, number, today)
        if (new Date(today).getUTCDay() === 0) await goShopping(kid)
      }
      await afternoons[number]?.()
      await evening(today)
      if (number === HALLOWEEN) await halloween(today)
    }
    const told = await server.deps.db.prisma.message.findMany({ where: { childId: emma.childId, passage: { not: null } }, select: { passage: true } })
    expect(new Set(told.map(({ passage }) => passage?.split('/')[1]))).toEqual(new Set([emma.birthday.before, emma.birthday.from]))
    const marks = [5, 6, 7, 11, 12, 13].map((day) => emma.marks.get(plus(FIRST_DAY, day)))
    expect(marks).toEqual(['frozen', 'frozen', 'counted', undefined, undefined, 'counted'])
    expect([...noah.badges]).toEqual(expect.arrayContaining(['two_week_wonder', 'streak_30', 'curious_mind_100']))
    expect(Math.min(emma.bought.size, noah.bought.size)).toBeGreaterThanOrEqual(2)
    expect(Object.fromEntries(refusals)).toMatchObject({ no_streak: 1, not_needed: 1, too_few_freezes: 1, FORBIDDEN: 1, TOKEN_EXPIRED: 2 })
    for (const reason of ['time_limit', 'bedtime', 'locked', 'too_few_stars', 'owned']) expect(refusals.get(reason), reason).toBeGreaterThanOrEqual(5)
  })
})
