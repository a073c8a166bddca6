// What a parent waits for after two years of daily use by five children: `npm run bench:dashboard`.
// Fills the database with set-based SQL, then asks each route again and again, one request at a time, and prints
// percentiles of the time to the whole answer. Ends with 1 when an answer is not 200 or tells something that cannot be.
import { Agent, request as httpRequest } from 'node:http'
import pg from 'pg'
import { loadCurriculum, type Topic } from '../src/learning/curriculum/curriculum.ts'
import { percentile } from './figures.ts'
import { type Answer, type Family, inHouse, makeFamily } from './house.ts'
import type { RunningServer } from './processes.ts'

const CHILDREN = 5
const DAYS = 730
const TURNS = 12
const WARM_UP = 50
const REQUESTS = 400
/** The aim for the dashboard, p95. */
const AIM_MS = 50

// Ids are made from what they stand for, so that later statements know them. Rows are laid down in the order in which
// they come in life: the children's days interleaved, the oldest first.
const CONVERSATION_OF = `md5(c.id::text || ':' || d || ':' || n)::uuid`
const SPARK_OF = `md5(c.id::text || ':spark:' || d)::uuid`
const messageOf = (conversation: string, seq: string): string => `md5(${conversation}::text || ':' || ${seq})::uuid`
const CHILDREN_DAYS = `unnest($1::uuid[]) WITH ORDINALITY AS c(id, place), generate_series(${DAYS}, 1, -1) AS d`
/** Every 45th day is missed and covered by a freeze. */
const IS_FROZEN = 'd % 45 = 44'
const DAY = '(current_date - d)'
const THRESHOLDS = 'ARRAY[1,3,6,9,11,13,15,17,19,21]'
const QUESTION = `(ARRAY['Why do stars twinkle at night but not the planets?', 'What if we could fly there, would it be cold?', 'How many moons are there because I can only see one?', 'I would build a rocket made of cheese!'])[1 + (t.seq / 2) % 4]`
const CHOICES = `'[{"index":0,"text":"Tell me more about how that works!","icon":"rocket"},{"index":1,"text":"What happens to the light in there?","icon":"star"},{"index":2,"text":"Is there anything like it near us?","icon":"planet"}]'::jsonb`

type Parameter = 'topics' | 'slugs' | 'passages' | 'texts' | 'sparks' | 'items' | 'costs'

/** In order, each with its parameters from $2 on; $1 are the children. */
const FILLINGS: readonly (readonly [statement: string, ...parameters: Parameter[]])[] = [
  [
    `INSERT INTO daily_sparks (id, child_id, day, ends_at, spark_key, completed_at)
     SELECT ${SPARK_OF}, c.id, ${DAY}, ${DAY} + interval '1 day', ($2::text[])[1 + d % cardinality($2)], ${DAY} + interval '16 hours 20 minutes'
     FROM ${CHILDREN_DAYS} WHERE NOT ${IS_FROZEN} ORDER BY d DESC`,
    'sparks',
  ],
  [
    `INSERT INTO conversations (id, child_id, topic_id, conversation_type, age_group, started_at, last_turn_at, ended_at, points, depth, child_turns,
       topic_depth_before, time_ms, next_seq, offered, told, spark_id, outcome)
     SELECT id, child_id, topic_id, type, 'curious_explorers', started_at, started_at + interval '11 minutes', started_at + interval '12 minutes',
       (${THRESHOLDS})[depth], depth, ${TURNS}, depth - 1, 660000 + 1000 * (d % 60), ${2 * TURNS + 1}, ${CHOICES}, $3::text[], spark_id,
       jsonb_build_object('conversationId', id, 'summary', 'Emma explored what stars are, why they twinkle and how far away they stand!', 'durationMinutes', 11,
         'depthReached', depth, 'questionsAsked', ${TURNS}, 'previousDepth', depth - 1, 'newDepth', depth, 'stars', 5, 'badges', '[]'::jsonb)
     FROM (
       SELECT *, 2 + (row_number() OVER (PARTITION BY child_id, topic_id ORDER BY started_at))::int % 9 AS depth FROM (
         SELECT ${CONVERSATION_OF} AS id, c.id AS child_id, d, ($2::uuid[])[1 + (d * 7 + n * 3 + c.place::int) % cardinality($2)] AS topic_id,
           CASE n WHEN 1 THEN 'brain_spark' ELSE 'exploration' END AS type, CASE n WHEN 1 THEN ${SPARK_OF} END AS spark_id,
           ${DAY} + interval '16 hours' + interval '90 minutes' * (n - 1) + interval '1 minute' * c.place AS started_at
         FROM ${CHILDREN_DAYS}, generate_series(1, 1 + d % 2) AS n WHERE NOT ${IS_FROZEN}
       ) AS planned
     ) AS held ORDER BY started_at`,
    'topics',
    'passages',
  ],
  [`UPDATE daily_sparks s SET conversation_id = c.id FROM conversations c WHERE c.spark_id = s.id AND s.child_id = ANY($1::uuid[])`],
  [
    `INSERT INTO messages (id, conversation_id, child_id, seq, role, content, is_free_form, selected_choice_index, choices, passage, model, in_reply_to,
       depth_after, depth_increased, created_at)
     SELECT m.id, c.id, c.child_id, t.seq, CASE WHEN m.is_reply THEN 'assistant' ELSE 'user' END,
       CASE WHEN m.is_reply THEN ($2::text[])[1 + t.seq / 2 % cardinality($2)] WHEN m.is_own THEN ${QUESTION} ELSE 'Tell me more about how that works!' END,
       m.is_own, CASE WHEN m.is_reply OR m.is_own THEN NULL ELSE t.seq % 3 END, CASE WHEN m.is_reply THEN ${CHOICES} END,
       CASE WHEN m.is_reply AND t.seq > 0 THEN c.told[t.seq / 2] END, CASE WHEN m.is_reply THEN 'builtin' END,
       CASE WHEN m.is_reply AND t.seq > 0 THEN ${messageOf('c.id', '(t.seq - 1)')} END, CASE WHEN m.is_reply AND t.seq > 0 THEN least(c.depth, t.seq / 2) END,
       CASE WHEN m.is_reply AND t.seq > 0 THEN t.seq / 2 <= c.depth END, c.started_at + interval '27 seconds' * t.seq
     FROM conversations c, generate_series(0, ${2 * TURNS}) AS t(seq),
       LATERAL (SELECT ${messageOf('c.id', 't.seq')} AS id, t.seq % 2 = 0 AS is_reply, t.seq % 6 = 1 AS is_own) AS m
     WHERE c.child_id = ANY($1::uuid[]) ORDER BY c.started_at, t.seq`,
    'texts',
  ],
  [
    `INSERT INTO topic_days (child_id, day, topic_id, time_ms, turns, depth_paid)
     SELECT child_id, started_at::date, topic_id, sum(time_ms), sum(child_turns), max(depth) FROM conversations
     WHERE child_id = ANY($1::uuid[]) GROUP BY 1, 2, 3 ORDER BY 2`,
  ],
  [
    `INSERT INTO topic_progress (child_id, topic_id, depth, conversations_count, talked_at, last_interaction)
     SELECT child_id, topic_id, max(depth), count(*), min(started_at), max(last_turn_at) FROM conversations WHERE child_id = ANY($1::uuid[]) GROUP BY 1, 2`,
  ],
  [
    `INSERT INTO depth_steps (child_id, topic_id, depth, reached_at, message_id)
     SELECT p.child_id, p.topic_id, step, first.started_at, ${messageOf('first.id', `'1'`)}
     FROM topic_progress p, generate_series(0, p.depth) AS step, LATERAL (
       SELECT c.id, c.started_at FROM conversations c WHERE c.child_id = p.child_id AND c.topic_id = p.topic_id AND c.depth >= step ORDER BY c.started_at LIMIT 1
     ) AS first WHERE p.child_id = ANY($1::uuid[]) ORDER BY first.started_at`,
  ],
  [
    `INSERT INTO growth_evidence (message_id, skill, child_id, day, weight)
     SELECT m.id, skill, m.child_id, m.created_at::date, CASE WHEN m.is_free_form THEN 1 ELSE 0.25 END
     FROM messages m, unnest(ARRAY['critical_thinking', 'creative_thinking', 'logical_reasoning', 'knowledge_connection']) WITH ORDINALITY AS s(skill, place)
     WHERE m.child_id = ANY($1::uuid[]) AND m.role = 'user' AND CASE WHEN m.is_free_form THEN (m.seq / 6 + s.place) % 4 < 2 ELSE (m.seq + s.place) % 8 = 0 END
     ORDER BY m.created_at`,
  ],
  [
    `INSERT INTO star_ledger (child_id, reason, amount, day, created_at)
     SELECT child_id, reason, amount, at::date, at FROM (
       SELECT child_id, 'conversation:' || id AS reason, 5 AS amount, ended_at AS at FROM conversations
       UNION ALL SELECT child_id, 'spark:' || id, 5, completed_at FROM daily_sparks
     ) AS earned WHERE child_id = ANY($1::uuid[]) ORDER BY earned.at`,
  ],
  [
    `INSERT INTO purchases (child_id, item_id, cost, purchased_at, operation_id)
     SELECT c.id, i.id, i.cost, ${DAY} + interval '19 hours', gen_random_uuid()
     FROM unnest($1::uuid[]) AS c(id), unnest($2::text[], $3::int[]) WITH ORDINALITY AS i(id, cost, place), LATERAL (SELECT 20 + 40 * i.place::int AS d) AS bought`,
    'items',
    'costs',
  ],
  [
    `INSERT INTO star_ledger (child_id, reason, amount, day, created_at)
     SELECT child_id, 'shop:' || item_id, -cost, purchased_at::date, purchased_at FROM purchases WHERE child_id = ANY($1::uuid[])`,
  ],
  [
    `UPDATE wallets w SET balance = s.balance, lifetime_earned = s.earned
     FROM (SELECT child_id, sum(amount) AS balance, sum(amount) FILTER (WHERE amount > 0) AS earned FROM star_ledger GROUP BY 1) AS s
     WHERE s.child_id = w.child_id AND w.child_id = ANY($1::uuid[])`,
  ],
  [
    `INSERT INTO freeze_ledger (child_id, reason, amount, day, created_at)
     SELECT c.id, f.reason || (${DAY} - f.before), f.amount, ${DAY} - f.before, ${DAY} - f.before + interval '18 hours'
     FROM ${CHILDREN_DAYS}, (VALUES ('streak:', 1, 7), ('used:', -1, 0)) AS f(reason, amount, before) WHERE ${IS_FROZEN} ORDER BY d DESC`,
  ],
  [
    `INSERT INTO badges (child_id, badge_id, conversation_id, message_id, earned_at)
     SELECT c.child_id, b.badge_id, c.id, ${messageOf('c.id', `'2'`)}, c.started_at FROM (
       SELECT s.child_id, t.slug || '_explorer_' || rank.place AS badge_id, s.message_id FROM depth_steps s
         JOIN unnest($2::uuid[], $3::text[]) AS t(id, slug) ON t.id = s.topic_id
         JOIN (VALUES (3, 1), (6, 2), (10, 3)) AS rank(depth, place) ON rank.depth = s.depth
       UNION ALL SELECT DISTINCT ON (child_id, depth) child_id, 'deep_thinker_' || depth, message_id FROM depth_steps WHERE depth IN (5, 10)
       UNION ALL SELECT o.child_id, n.badge_id, ${messageOf('o.id', `'1'`)}
         FROM (SELECT id, child_id, row_number() OVER (PARTITION BY child_id ORDER BY started_at) AS place FROM conversations) AS o
         JOIN (VALUES (1, 'curious_mind_10'), (9, 'curious_mind_100'), (42, 'curious_mind_500'), (84, 'curious_mind_1000'), (4, 'streak_3'), (10, 'streak_7'),
           (20, 'two_week_wonder'), (45, 'streak_30'), (75, 'streak_50'), (150, 'streak_100'), (550, 'streak_365')) AS n(place, badge_id) ON n.place = o.place
     ) AS b JOIN messages m ON m.id = b.message_id JOIN conversations c ON c.id = m.conversation_id WHERE b.child_id = ANY($1::uuid[])`,
    'topics',
    'slugs',
  ],
  [
    `UPDATE learners l SET child_turns = s.turns, last_event_at = s.last, last_topic_id = s.topic, streak_day = s.last::date FROM (
       SELECT child_id, sum(child_turns) AS turns, max(ended_at) AS last, (array_agg(topic_id ORDER BY started_at DESC))[1] AS topic FROM conversations GROUP BY 1
     ) AS s WHERE s.child_id = l.child_id AND l.child_id = ANY($1::uuid[])`,
  ],
]

const TABLES = [
  ...['conversations', 'messages', 'topic_days', 'topic_progress', 'depth_steps', 'growth_evidence'],
  ...['daily_sparks', 'star_ledger', 'freeze_ledger', 'badges', 'purchases'],
]

interface Route {
  readonly path: string
  readonly child?: string
  readonly isPlausible: (data: Answer['data']) => boolean
}

async function fill(db: pg.Client, { children }: Family): Promise<void> {
  const curriculum = loadCurriculum()
  const items = { avatar_robot: 150, avatar_elephant: 200, avatar_diver: 250, avatar_explorer: 300, theme_ocean: 150, theme_forest: 200, theme_desert: 250 }
  const told = curriculum.passagesOf(curriculum.topics[0] as Topic, 'curious_explorers').slice(0, TURNS)
  const values: Record<Parameter, readonly (string | number)[]> = {
    topics: curriculum.topics.map((topic) => topic.id),
    slugs: curriculum.topics.map((topic) => topic.slug),
    passages: told.map((passage) => passage.key),
    texts: told.map((passage) => passage.sentences.join('')),
    sparks: curriculum.sparksOf('curious_explorers').map((spark) => spark.key),
    items: Object.keys(items),
    costs: Object.values(items),
  }
  for (const [statement, ...parameters] of FILLINGS) await db.query(statement, [children, ...parameters.map((name) => values[name])])
  await db.query('VACUUM ANALYZE')
}

/** Throws when what was filled in breaks a promise of the ledgers: nothing measured on it would mean anything. */
async function requireSound(db: pg.Client): Promise<void> {
  const { rows } = await db.query(`
    SELECT l.child_id FROM learners l JOIN wallets w USING (child_id)
    WHERE w.balance <> (SELECT coalesce(sum(amount), 0) FROM star_ledger s WHERE s.child_id = l.child_id)
      OR l.freezes <> (SELECT sum(amount) FROM freeze_ledger f WHERE f.child_id = l.child_id)
      OR l.child_turns <> (SELECT count(*) FROM messages m WHERE m.child_id = l.child_id AND m.role = 'user')
      OR l.child_turns <> (SELECT sum(turns) FROM topic_days d WHERE d.child_id = l.child_id)`)
  if (rows.length > 0) throw new Error(`the ledgers of ${rows.length} children do not add up`)
}

function routesOf({ children }: Family): Route[] {
  const [child] = children as [string]
  const ofChild = `/v1/dashboard/children/${child}`
  const isSummary = (days: number) => (data: Answer['data']) =>
    data.children.length === CHILDREN &&
    data.children.every(
      ({ summary, daily_breakdown }: Answer['data']) =>
        summary.total_time_minutes >= 11 * (days - 3) &&
        summary.sessions_count >= days - 3 &&
        summary.brain_sparks_completed >= days - 3 &&
        summary.current_streak > DAYS - 30 &&
        summary.stars_earned > 0 &&
        daily_breakdown.length === days,
    )
  return [
    { path: '/v1/dashboard?period=week', isPlausible: isSummary(7) },
    { path: '/v1/dashboard?period=month', isPlausible: isSummary(30) },
    {
      path: `${ofChild}/activity?period=month&include_conversations=true`,
      isPlausible: (data) =>
        data.topics_explored.length > 10 &&
        data.topics_explored.every((topic: Answer['data']) => topic.time_spent_minutes > 0 && topic.sample_questions.length > 0) &&
        Object.values(data.cognitive_growth as Record<string, { score: number }>).every(({ score }) => score > 0) &&
        data.conversations.length >= 40,
    },
    { path: `${ofChild}/conversations`, isPlausible: (data) => data.length === 20 && data[0].messages_count === 2 * TURNS },
    {
      path: '/v1/progress',
      child,
      isPlausible: (data) =>
        data.total_time_spent_minutes > 11 * DAYS && data.questions_asked > TURNS * DAYS && data.streak.longest > DAYS - 30 && data.badges_count > 50,
    },
    {
      path: '/v1/progress/activity?days=30',
      child,
      isPlausible: (data) => data.length === 30 && data.filter((day: Answer['data']) => day.time_spent_minutes > 0 && day.stars_earned > 0).length >= 28,
    },
    { path: '/v1/streaks', child, isPlausible: (data) => data.current_streak > DAYS - 30 && data.history.length === 30 },
    { path: '/v1/rewards', child, isPlausible: (data) => data.badges.length > 50 && data.stars.balance > 0 && data.unlocks.length === 7 },
  ]
}

/** Resolves with the status and the text once the whole answer has come. */
function get(agent: Agent, url: string, headers: Record<string, string>): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { agent, headers }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') }))
    })
    request.once('error', reject)
    request.end()
  })
}

/** Asks a route and returns the times of the requests after the warm-up. Throws for an answer that is not right. */
async function timesOf(
  server: RunningServer,
  agent: Agent,
  { token }: Family,
  { path: url, child, isPlausible }: Route,
): Promise<{ times: number[]; cpuMs: number; bytes: number }> {
  const headers = { authorization: `Bearer ${token}`, ...(child && { 'x-child-id': child }) }
  const times: number[] = []
  let [cpuBefore, bytes] = [0, 0]
  for (let count = 0; count < WARM_UP + REQUESTS; count += 1) {
    if (count === WARM_UP) cpuBefore = server.cpuMs()
    const began = performance.now()
    const { status, text } = await get(agent, server.address + url, headers)
    if (count >= WARM_UP) times.push(performance.now() - began)
    if (status !== 200) throw new Error(`${url} answered ${status}: ${text}`)
    if (!isPlausible((JSON.parse(text) as Answer).data)) throw new Error(`${url} told what cannot be: ${text}`)
    bytes = text.length
  }
  return { times, cpuMs: (server.cpuMs() - cpuBefore) / REQUESTS, bytes }
}

const agent = new Agent({ keepAlive: true, maxSockets: 1 })
await inHouse(async (house) => {
  const server = await house.startBuilt()
  const family = await makeFamily(server.address, ['Emma', 'Noah', 'Ada', 'Milo', 'Zoe'].slice(0, CHILDREN))
  const db = new pg.Client(house.databaseUrl)
  await db.connect()
  const began = performance.now()
  await fill(db, family)
  await requireSound(db)
  await db.end()
  process.stdout.write(`${CHILDREN} children, ${DAYS} days, filled in ${((performance.now() - began) / 1_000).toFixed(1)} s\n`)
  for (const table of TABLES) {
    const rows = await house.count(`SELECT count(*) FROM ${table}`)
    process.stdout.write(`${table.padEnd(20)} ${String(rows).padStart(8)} rows\n`)
  }

  process.stdout.write(`\n${REQUESTS} requests each, one at a time; ms\n${'route'.padEnd(60)}     p50     p95     p99     CPU    bytes\n`)
  const missed: string[] = []
  for (const route of routesOf(family)) {
    const { times, cpuMs, bytes } = await timesOf(server, agent, family, route)
    const figures = [...[0.5, 0.95, 0.99].map((share) => percentile(times, share)), cpuMs].map((ms) => ms.toFixed(2).padStart(7))
    process.stdout.write(`${route.path.replace(/[0-9a-f-]{36}/, '{id}').padEnd(60)} ${figures.join(' ')} ${String(bytes).padStart(8)}\n`)
    if (route.path.startsWith('/v1/dashboard') && percentile(times, 0.95) >= AIM_MS) missed.push(route.path)
  }
  process.stdout.write(missed.length === 0 ? `the dashboard's p95 is under ${AIM_MS} ms\n` : `over ${AIM_MS} ms at p95: ${missed.join(', ')}\n`)
})
agent.destroy()
