// Makes a demo family with six weeks of learning that end yesterday, on the database that `npm start` uses: `npm run seed:demo`.
// Everything goes through the door with a clock of the past, so that every sum is right. Again makes one more family, so
// that its weeks end yesterday too; those made before stay as they are.
import { buildApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import { openDeps } from '../deps.ts'
import { type Clock, DAY, HOUR, type Instant, MINUTE, SECOND, systemClock } from '../platform/clock.ts'
import type { TypedApp } from '../platform/http/typed-app.ts'
import { addDays, type LocalDate, localDateAt, startOfDay } from '../platform/local-date.ts'

const DAYS = 6 * 7
const PASSWORD = 'Curious-Otter-42'

interface Persona {
  readonly name: string
  readonly years: number
  readonly avatar: string
  readonly limit: number
  readonly bedtime: readonly [from: string, until: string]
  /** The hour of the day at which the child comes. */
  readonly hour: number
  /** Turns besides the spark, on school days and at weekends. */
  readonly turns: readonly [weekday: number, weekend: number]
  /** Days counted back from today: without learning, on which a streak freeze saves what was missed, and with a reply reported as odd. */
  readonly away: readonly number[]
  readonly freezesOn?: number
  readonly reportsOn?: number
  readonly wishes: readonly string[]
  readonly thoughts: readonly string[]
  /** What the child asks, by topic; the first topics are the dearest. */
  readonly questions: Readonly<Record<string, readonly string[]>>
}

const PERSONAS: readonly Persona[] = [
  {
    ...{ name: 'Lily', years: 5, avatar: 'avatar_bunny', limit: 30, bedtime: ['19:00', '07:00'], hour: 15, turns: [4, 7] },
    ...{ away: [40, 39, 33, 27, 26, 19, 12, 8], wishes: ['companion_snail', 'avatar_elephant', 'companion_bee'] },
    thoughts: ['I would be a bunny with wings', 'My teddy knows the answer', 'It would be all pink and sparkly', 'I think it is a secret', 'A big slide!'],
    questions: {
      animals: ['Why do cats purr?', 'Do fish sleep?', 'Why do dogs wag their tails?', 'Why do zebras have stripes?', 'What is the biggest animal?'],
      oceans: ['Why is the sea salty?', 'How do fish breathe?', 'Where do whales live?', 'What makes waves?'],
      feelings: ['Why do I cry?', 'Why do I get mad?', 'Why am I scared of the dark?'],
      bugs: ['Why do bees sting?', 'Why do ants walk in a line?', 'How do butterflies get their colors?'],
      stories: ['Are dragons real?', 'What is a fairy tale?', 'Why do stories start with once upon a time?'],
      space: ['Why is the moon following us?', 'Is the Sun a star?', 'Why is the sky dark at night?'],
    },
  },
  {
    ...{ name: 'Noah', years: 8, avatar: 'avatar_owl', limit: 45, bedtime: ['20:00', '07:00'], hour: 16, turns: [6, 10] },
    ...{ away: [30, 22, 21], freezesOn: 29, wishes: ['theme_ocean', 'avatar_astronaut', 'avatar_robot', 'companion_crab'] },
    thoughts: ['I would build a rocket out of ice', 'Maybe the robots would vote', 'I think the dog is the boss', 'With a really big magnet'],
    questions: {
      space: ['Why do stars twinkle?', 'How big is the Sun?', 'Why is Mars red?', 'Why is Pluto not a planet?', 'How far away is the Moon?'],
      dinosaurs: ['How did the dinosaurs die?', 'Did dinosaurs have feathers?', 'How do fossils form?', 'What was the biggest dinosaur?'],
      physics: ['Why do boats float?', 'How do magnets work?', 'Why do things fall down?'],
      'black-holes': ['What is inside a black hole?', 'Could a black hole eat the Earth?', 'How are black holes made?'],
      inventions: ['Who invented the light bulb?', 'How does a phone work?', 'Who invented the wheel?', 'How do airplanes fly?'],
      numbers: ['What is the biggest number?', 'Who invented zero?', 'What is infinity?'],
      animals: ['How do bats see in the dark?', 'How do chameleons change color?', 'Why do birds migrate?'],
    },
  },
  {
    ...{ name: 'Maya', years: 11, avatar: 'avatar_fox', limit: 60, bedtime: ['21:30', '06:30'], hour: 18, turns: [6, 9] },
    ...{ away: [41, 38, 37, 32, 24, 16], reportsOn: 2, wishes: ['theme_forest', 'avatar_diver', 'theme_desert', 'companion_hedgehog'] },
    thoughts: ['It depends on who you ask', 'I would want proof first', 'People would be bored, I think', 'Both could be true at once'],
    questions: {
      'human-body': ['Why do muscles get sore?', 'Why do we yawn?', 'Why do we need sleep?'],
      feelings: ['Why do we feel nervous before a test?', 'How can I calm down when I am angry?', 'Why do friends fight?'],
      brain: ['Why do we dream?', 'How does memory work?', 'Why do we yawn?'],
      music: ['Why does music give me goosebumps?', 'Why do some notes sound good together?'],
      stories: ['How do writers get ideas?', 'Why do we like scary stories?'],
    },
  },
]

interface Child {
  readonly persona: Persona
  readonly id: string
  token: string
  readonly timesAsked: Map<string, number>
  readonly wishes: string[]
}

/** A clock that stands at whatever moment of the past is being lived through. */
interface PastClock extends Clock {
  at: Instant
}

/** What the door answers; undefined for a refusal that is accepted. */
// biome-ignore lint/suspicious/noExplicitAny: the routes check what they send
type Door = (method: 'GET' | 'POST' | 'PATCH', url: string, request?: { token?: string; body?: object; accept?: readonly string[] }) => Promise<any>

/** Requests through the whole app. Throws an Error that quotes the refusal unless its code is accepted. */
function doorOf(app: TypedApp): Door {
  return async (method, url, { token, body, accept = [] } = {}) => {
    const headers = { 'user-agent': 'BrainSpark/1.0 (iPad)', ...(token && { authorization: `Bearer ${token}` }) }
    const response = await app.inject({ method, url, headers, ...(body && { payload: body }) })
    const { data, error } = response.json()
    if (error && !accept.includes(error.code)) throw new Error(`${method} ${url}: ${response.payload}`)
    return data
  }
}

/** A new account under the first of demo@, demo-2@, demo-3@ ... that is free. */
async function register(door: Door, timezone: string): Promise<{ email: string; token: string }> {
  const consents = { terms: true, privacy: true, coppa: true }
  for (let number = 1; ; number += 1) {
    const email = number === 1 ? 'demo@example.com' : `demo-${number}@example.com`
    const body = { email, password: PASSWORD, display_name: 'Robin Demo', timezone, consents }
    const data = await door('POST', '/v1/auth/register', { body, accept: ['CONFLICT'] })
    if (data) return { email, token: data.tokens.access_token }
  }
}

/** A tablet stays signed in for thirty days. */
const DAYS_ON_A_TABLET = 21
async function signTabletIn(door: Door, email: string, children: readonly Child[]): Promise<void> {
  const { access_token: token } = (await door('POST', '/v1/auth/login', { body: { email, password: PASSWORD } })).tokens
  for (const child of children) child.token = (await door('POST', `/v1/children/${child.id}/activate`, { token, body: {} })).session_token
}

async function createChild(door: Door, token: string, persona: Persona, today: LocalDate): Promise<Child> {
  const { name, years, avatar, limit, bedtime, questions, wishes } = persona
  const body = {
    ...{ name, avatar_id: avatar, birth_date: addDays(today, -Math.round((years + 0.4) * 365.25)), interests: Object.keys(questions).slice(0, 3) },
    settings: { daily_time_limit_minutes: limit, bedtime_start: bedtime[0], bedtime_end: bedtime[1] },
  }
  const { id } = await door('POST', '/v1/children', { token, body })
  return { persona, id, token: '', timesAsked: new Map(), wishes: [...wishes] }
}

/** One family's life, a sitting at a time. */
function lifeOf(door: Door, clock: PastClock) {
  const { random } = Math
  const wait = (least: number, most: number): Instant => (clock.at += Math.floor((least + random() * (most - least)) * SECOND))
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
  /** A server that works on the same database ends talks of the past as left alone: they are over then, and nothing is wrong. */
  const accept = ['TIME_LIMIT_REACHED', 'CONFLICT']

  async function start(child: Child, body: object): Promise<string | undefined> {
    return (await door('POST', '/v1/conversations', { token: child.token, body, accept }))?.conversation_id
  }

  /** One turn after some reading; where the reply is, or undefined when the talk is over. */
  async function say(child: Child, talk: string, said: string | number): Promise<string | undefined> {
    wait(25, 95)
    const body = typeof said === 'number' ? { choice_index: said } : { content: said, is_free_form: true }
    const messages = `/v1/conversations/${talk}/messages`
    const turn = await door('POST', messages, { token: child.token, body, accept })
    return turn && `${messages}/${turn.assistant_message.id}`
  }

  async function end(child: Child, talk: string): Promise<void> {
    wait(2, 12)
    await door('POST', `/v1/conversations/${talk}/end`, { token: child.token })
    wait(10, 40)
  }

  async function talkAboutSpark(child: Child): Promise<void> {
    const spark = await door('GET', '/v1/brain-spark', { token: child.token })
    const talk = await start(child, { conversation_type: 'brain_spark' })
    if (!talk) return
    if (await say(child, talk, pick(child.persona.thoughts))) {
      if (random() < 0.6) await say(child, talk, Math.floor(random() * 3))
      await door('POST', `/v1/brain-spark/${spark.id}/complete`, { token: child.token, body: { conversation_id: talk } })
    }
    await end(child, talk)
  }

  /** Mostly a choice, else the child's next question about the topic. */
  function nextWords(child: Child, slug: string): string | number {
    const questions = child.persona.questions[slug] ?? []
    const count = child.timesAsked.get(slug) ?? 0
    if (questions.length === 0 || random() < 0.6) return Math.floor(random() * 3)
    child.timesAsked.set(slug, count + 1)
    return questions[count % questions.length] as string
  }

  /** The favourites that are open, the dearest first; now and then any open topic. */
  async function pickTopic(child: Child): Promise<{ id: string; slug: string }> {
    const { topics } = await door('GET', '/v1/constellation', { token: child.token })
    const open: { id: string; slug: string }[] = topics.filter((topic: { status: string }) => topic.status !== 'locked')
    const liked = Object.keys(child.persona.questions).flatMap((slug) => open.filter((topic) => topic.slug === slug))
    return random() < 0.1 ? pick(open) : pick(random() < 0.55 ? liked.slice(0, 3) : liked)
  }

  /** Talks until the turns are used up, or the server says that it is enough for today; the last reply, if there was one. */
  async function explore(child: Child, turns: number): Promise<string | undefined> {
    let reply: string | undefined
    for (let left = turns; left > 0; ) {
      const topic = await pickTopic(child)
      const talk = await start(child, { topic_id: topic.id, conversation_type: 'exploration' })
      if (!talk) return undefined
      const turnsOfIt = Math.min(left, 3 + Math.floor(random() * 5))
      left -= turnsOfIt
      for (let turn = 0; turn < turnsOfIt && left >= 0; turn += 1) {
        reply = await say(child, talk, nextWords(child, topic.slug))
        if (!reply) left = -1
      }
      await end(child, talk)
    }
    return reply
  }

  /** Buys and puts on the next wish, when there are stars enough. */
  async function shop(child: Child): Promise<void> {
    const [wish] = child.wishes
    if (!wish) return
    const bought = await door('POST', `/v1/shop/${wish}/purchase`, { token: child.token, accept: ['UNPROCESSABLE_ENTITY'] })
    if (!bought) return
    child.wishes.shift()
    await door('PATCH', '/v1/session', { token: child.token, body: { [`${wish.split('_')[0]}_id`]: wish } })
  }

  return {
    async day(child: Child, midnight: Instant, daysAgo: number, isWeekend: boolean): Promise<void> {
      const { hour, turns, freezesOn, reportsOn, away } = child.persona
      if (away.includes(daysAgo)) return
      clock.at = midnight + (isWeekend ? hour - 5 : hour) * HOUR + Math.floor(random() * 50 * MINUTE)
      if (freezesOn === daysAgo) await door('POST', '/v1/streaks/freeze', { token: child.token })
      if (random() < 0.85) await talkAboutSpark(child)
      const [onSchoolDays, atWeekends] = turns
      const reply = await explore(child, (isWeekend ? atWeekends : onSchoolDays) + Math.floor(random() * 3) - 1)
      if (reply && reportsOn === daysAgo) await door('POST', `${reply}/report`, { token: child.token })
      if (isWeekend) await shop(child)
    },
  }
}

/** The first day is Thursday, the first of January 1970. */
const isWeekendDay = (day: LocalDate): boolean => [2, 3].includes((Date.parse(day) / DAY) % 7)

/** What became of a child, in a line. */
async function lineOf(door: Door, { persona, token }: Child): Promise<string> {
  const [session, progress] = [await door('GET', '/v1/session', { token }), await door('GET', '/v1/progress', { token })]
  const { total_time_spent_minutes: minutes, conversations_count: talks, questions_asked: turns, streak, stars, badges_count: badges } = progress
  const cells = [minutes, talks, turns, `${streak.current} (${streak.longest})`, `${stars.balance} of ${stars.lifetime_earned}`, badges]
  return `  ${persona.name.padEnd(7)}${session.child.age_group.padEnd(19)}${cells.map((cell) => String(cell).padEnd(13)).join('')}`.trimEnd()
}

/** Lives through the weeks and returns what to tell about them. */
async function seed(): Promise<string> {
  const ownWorld = { REDIS_URL: '', SMTP_URL: '', OPENAI_API_KEY: '', RATE_LIMIT_MULTIPLIER: '100000', TUTOR_PACE_MS: '0', LOG_LEVEL: 'error' }
  const config = loadConfig({ ...process.env, ...ownWorld })
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions()
  const today = localDateAt(systemClock.now(), timeZone)
  const clock: PastClock = { at: startOfDay(addDays(today, -DAYS), timeZone) + 8 * HOUR, now: () => clock.at }
  const deps = await openDeps(config, { clock })
  try {
    const app = await buildApp(config, deps)
    await app.ready()
    const door = doorOf(app)
    const { email, token } = await register(door, timeZone)
    const children: Child[] = []
    for (const persona of PERSONAS) {
      clock.at += MINUTE
      children.push(await createChild(door, token, persona, today))
    }
    const life = lifeOf(door, clock)
    for (let daysAgo = DAYS; daysAgo > 0; daysAgo -= 1) {
      const day = addDays(today, -daysAgo)
      const midnight = startOfDay(day, timeZone)
      clock.at = midnight + 9 * HOUR
      if (daysAgo % DAYS_ON_A_TABLET === 0) await signTabletIn(door, email, children)
      for (const child of children) await life.day(child, midnight, daysAgo, isWeekendDay(day))
    }
    clock.at = systemClock.now()
    const lines: string[] = []
    for (const child of children) lines.push(await lineOf(door, child))
    await app.close()
    return report({ email, url: config.publicUrl, from: addDays(today, -DAYS), to: addDays(today, -1), lines })
  } finally {
    await deps.close()
  }
}

const report = ({ email, url, from, to, lines }: { email: string; url: string; from: LocalDate; to: LocalDate; lines: readonly string[] }): string => `
A demo family is ready, with what it did from ${from} to ${to}.

  E-mail    ${email}
  Password  ${PASSWORD}

  ${'child'.padEnd(7)}${'voice'.padEnd(19)}${['minutes', 'talks', 'turns', 'streak (max)', 'stars', 'badges'].map((title) => title.padEnd(13)).join('')}
${lines.join('\n')}

To look at after \`npm start\`, at ${url}/docs or with curl and the token of POST /v1/auth/login:

  GET /v1/dashboard?period=month                                       what each child did, day by day
  GET /v1/dashboard/children/{child_id}/activity?period=month          favourite topics, questions, growth
  GET /v1/dashboard/children/{child_id}/growth?period=month            which turns made each growth score
  GET /v1/dashboard/children/{child_id}/conversations                  every talk; Maya reported a reply two days ago
  GET /v1/constellation, /v1/streaks, /v1/rewards, with X-Child-ID     the map, Noah's saved streak, badges and purchases
`

if (process.env.NODE_ENV === 'production') {
  process.stderr.write('The demo family is for development: it would stand among real ones. Nothing was done, because NODE_ENV is production.\n')
  process.exitCode = 1
} else {
  process.stdout.write(await seed())
}
