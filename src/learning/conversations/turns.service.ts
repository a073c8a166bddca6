import type { ActiveChild } from '../../family/child-access.ts'
import { type Clock, MINUTE, SECOND } from '../../platform/clock.ts'
import type { CryptoBox } from '../../platform/crypto-box.ts'
import { AppError } from '../../platform/http/errors.ts'
import { newId } from '../../platform/ids.ts'
import type { Moderator } from '../../safety/moderation/moderation.ts'
import { isDisclosure, type Screened, screen } from '../../safety/moderation/screening.ts'
import { mapStateOf } from '../constellation/map-state.ts'
import { isUnlocked, type MapState } from '../constellation/topic-map.ts'
import { gradeLevel } from '../content/readability.ts'
import type { Curriculum, Passage, Topic } from '../curriculum/curriculum.ts'
import type { LiveEvents } from '../gateway/live-events.ts'
import { evidenceOf } from '../progress/growth.ts'
import { bookingsFor, TIME_MESSAGES, timeRefusal, timeSince } from '../progress/time-budget.ts'
import { type BadgeCatalogue, CURIOUS_MIND_TURNS, depthBadges } from '../rewards/badges.ts'
import { badgeRewards, type Reward } from '../rewards/rewards.ts'
import { freezesForCounting, milestonesPassed, streakAt, streakBadgeId, withDay } from '../rewards/streak.ts'
import { BUILTIN_MODEL, type BuiltinTutor } from '../tutor/builtin.ts'
import type { Sentence, TokenUsage, TutorChoice, TutorEvent, TutorModel, TutorSignals, TutorTurn } from '../tutor/tutor-model.ts'
import { asStoredChoices, type Message, SPARK_ANSWERED } from './conversation.ts'
import { toMessageView, toRewardView } from './conversations.schemas.ts'
import { depthOf, pointsOf } from './depth.ts'
import { liveTurn } from './live-turn.ts'
import type { BegunTurn, CompletedTurn, TurnContext, TurnKey, TurnsStore } from './turns.store.ts'

const RENEW_EVERY_MS = 5 * SECOND
const LONGEST_TURN_MS = 2 * MINUTE
/** How often a turn looks again after another event of the child came in between. */
const ATTEMPTS = 8

/** What a child does in a turn. */
export type Said = { readonly choiceIndex: number } | { readonly content: string }

export interface TurnResult {
  readonly userMessage: Message
  readonly reply: Message
  readonly depth: number
  readonly depthIncreased: boolean
  readonly rewards: readonly Reward[]
}

/** A turn that was accepted. It is carried out whether or not anybody waits for it. */
export interface Turn {
  /** True when an Idempotency-Key was shown again: the result is that of the first time. */
  readonly replayed: boolean
  readonly result: Promise<TurnResult>
}

export interface TurnsDeps {
  readonly store: TurnsStore
  readonly clock: Clock
  readonly curriculum: Curriculum
  readonly tutor: TutorModel
  /** Speaks where the child's own words call for more care than any model. */
  readonly builtin: BuiltinTutor
  /** Looks at the child's own words before they are kept. */
  readonly moderate: Moderator
  /** A line to call, in words for a child in the time zone; empty where none is known. */
  readonly crisisContact: (timezone: string) => string
  readonly live: LiveEvents
  readonly badges: BadgeCatalogue
  readonly box: CryptoBox
}

/** Refuses while the parent has paused learning, it is bedtime or the day's time is used up. */
export function requireTime(child: ActiveChild, context: Pick<TurnContext, 'lastEventAt' | 'bookedTodayMs'>, now: number): void {
  const reason = timeRefusal(child, now, context.lastEventAt, context.bookedTodayMs)
  if (!reason) return
  const message = { paused: 'The parent has paused learning', bedtime: 'It is bedtime', time_limit: 'Daily time limit has been reached' }[reason]
  throw new AppError('TIME_LIMIT_REACHED', { reason, message, child: TIME_MESSAGES[reason] })
}

export function turnsService({ store, clock, curriculum, tutor, builtin, moderate, crisisContact, live, badges, box }: TurnsDeps) {
  const running = new Set<Promise<unknown>>()

  /** Everything that can refuse a turn, in the order of refusals; then takes the lease. */
  async function begin(child: ActiveChild, conversationId: string, said: Said, key: TurnKey | undefined): Promise<Begun | { completed: CompletedTurn }> {
    const screened = 'content' in said ? screen(moderate, said.content) : undefined
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const now = clock.now()
      const context = await store.context(child, conversationId, key, now)
      if (!context) throw new AppError('NOT_FOUND')
      const { conversation, known, pending } = context
      if (child.restrictedTopics.has(conversation.topicId)) throw new AppError('FORBIDDEN', { message: 'This topic is restricted' })
      const isBusy = conversation.leaseUntil !== null && conversation.leaseUntil > now
      if (known && key) {
        if (!key.fingerprints.some((fingerprint) => fingerprint.equals(known.fingerprint)))
          throw new AppError('UNPROCESSABLE_ENTITY', { message: 'This Idempotency-Key was used for a different request' })
        if (known.messageId !== conversation.pendingMessageId) {
          const completed = await store.completed(child.id, known.messageId)
          if (completed) return { completed }
          if (!isBusy) throw new AppError('CONFLICT', { message: 'The conversation went on without an answer to this message' })
        }
      }
      requireTime(child, context, now)
      if (conversation.endedAt !== null)
        throw new AppError('CONFLICT', { message: 'The conversation has ended', reason: 'ended', child: 'This talk is over. Let us start a new one!' })
      if (isBusy) throw new AppError('CONFLICT', { message: 'The last message is still being answered' })
      const choice = 'choiceIndex' in said ? conversation.offered[said.choiceIndex] : undefined
      if ('choiceIndex' in said && !choice) throw new AppError('INVALID_CHOICE')

      const content = screened?.text ?? (choice as TutorChoice).text
      const choiceIndex = 'choiceIndex' in said ? said.choiceIndex : null
      const resumes = pending !== undefined && pending.content === content && pending.selectedChoiceIndex === choiceIndex
      const begun: BegunTurn = {
        ...{ messageId: resumes ? pending.id : newId(), leaseToken: newId(), isNew: !resumes, content, choiceIndex },
        ...{ findings: screened?.findings ?? [], isWithheld: screened?.isWithheld ?? false },
        mayBeWithheld: screened !== undefined && !screened.aside && (tutor.mayWithhold?.(content) ?? false),
      }
      const gapMs = timeSince(conversation.lastTurnAt ?? conversation.startedAt, now, child.timezone).reduce((sum, part) => sum + part.ms, 0)
      const days = bookingsFor(context, now, child, conversation.topicId, resumes ? 0 : 1)
      const streakDays = resumes ? context.streakDays : context.streakDays && withDay(context.streakDays, child.today)
      const freezes = streakDays && streakDays !== context.streakDays ? freezesForCounting(child.today, streakDays, context.freezes) : []
      if (await store.begin(child, context, begun, key, { days, gapMs, freezes }, now))
        return {
          ...{ child, context, begun, choice, aside: screened?.aside },
          createdAt: resumes ? pending.createdAt : now,
          streak: streakDays ? streakAt(child.today, streakDays) : 0,
        }
    }
    throw new AppError('CONFLICT', { message: 'Too many things happen at once in this conversation', retryAfter: 1 })
  }

  interface Begun {
    readonly child: ActiveChild
    readonly context: TurnContext
    readonly begun: BegunTurn
    readonly choice: TutorChoice | undefined
    readonly aside: Screened['aside']
    readonly createdAt: number
    /** The streak with this turn counted; 0 when an earlier turn of the day has seen to it. */
    readonly streak: number
  }

  /** Lets the tutor speak while the lease is kept, stores the reply, then tells of it. */
  async function carryOut(accepted: Begun, onChunk: (chunk: string) => void): Promise<TurnResult> {
    const { child, context, begun, choice, aside } = accepted
    const { conversation } = context
    const topic = curriculum.topic(conversation.topicId) as Topic
    const map = mapStateOf(child, context.progress)
    const telling = liveTurn(live, child.id, conversation.id, begun)
    const lease = setInterval(() => void store.renew(conversation.id, begun.leaseToken, clock.now()).catch(() => {}), RENEW_EVERY_MS)
    const replyId = newId()
    let spent: TokenUsage | undefined
    telling.begin()
    try {
      const turn: TutorTurn = {
        topic,
        map,
        ageGroup: conversation.ageGroup,
        told: conversation.told,
        offered: conversation.offered,
        said: choice ? { choice } : { question: begun.content },
        turnNumber: conversation.childTurns,
        depth: conversation.depth,
        childName: child.name,
        crisisContact: crisisContact(child.timezone),
        ...(tutor.readsAlong && !aside ? await store.background(child, conversation.id, begun.messageId) : {}),
        spark: context.sparkKey === null || conversation.told.includes(SPARK_ANSWERED) ? undefined : curriculum.spark(context.sparkKey),
      }
      const signal = AbortSignal.timeout(LONGEST_TURN_MS)
      const events = aside ? builtin.aside(turn, aside) : tutor.reply(turn, signal)
      const reply = await listen(events, ({ text, by, isWithheld = false }, index) => {
        spent = by.usage
        telling.judged(isWithheld)
        telling.tell({ type: 'message_chunk', conversation_id: conversation.id, chunk: text, chunk_index: index })
        onChunk(text)
      })
      spent = reply.signals.usage
      telling.judged(reply.signals.findings?.some(isDisclosure) ?? false)
      const result = await finish(accepted, topic, map, replyId, reply)
      telling.tell({ type: 'message_complete', conversation_id: conversation.id, message: toMessageView(result.reply) })
      for (const reward of result.rewards) telling.tell({ type: 'reward_earned', reward: toRewardView(reward) })
      return result
    } catch (error) {
      if (spent) await store.bookTokens(child, replyId, spent).catch(() => {})
      await store.release(conversation.id, begun.leaseToken).catch(() => {})
      throw error instanceof AppError ? error : new AppError('SERVICE_UNAVAILABLE', { retryAfter: 2, cause: error })
    } finally {
      clearInterval(lease)
      telling.end()
    }
  }

  async function finish(
    { child, context, begun, createdAt, streak }: Begun,
    topic: Topic,
    map: MapState,
    replyId: string,
    reply: TutorReply,
  ): Promise<TurnResult> {
    const { conversation } = context
    const isOwnWords = begun.choiceIndex === null
    const newFrom = (topicId: string) => (map.progress.get(topicId)?.talked ? (map.progress.get(topicId)?.depth ?? 0) + 1 : 0)
    const { passage, onTopic, answersSpark, model, promptVersion, latencyMs, usage, findings = [] } = reply.signals
    const points = conversation.points + pointsOf(!isOwnWords ? 'choice' : onTopic ? 'on_topic_question' : 'off_topic')
    const depth = depthOf(points)
    const crossed = topicsTouched(passage, topic)
      .filter((other) => isUnlocked(other, map))
      .map((other) => ({ id: other.id, depth: 0, newFrom: newFrom(other.id) }))
    const now = clock.now()
    const earned = await store.finish(
      conversation.id,
      begun,
      {
        replyId,
        content: reply.text,
        choices: reply.choices,
        passage: passage?.key ?? null,
        isWithheld: begun.isWithheld || findings.some(isDisclosure),
        ...{ model, promptVersion, latencyMs, usage, findings, readingGrade: model === BUILTIN_MODEL ? gradeOf(passage, reply.text) : gradeLevel(reply.text) },
        points,
        depth,
        depthIncreased: depth > conversation.depth,
        told: [...conversation.told, ...(passage ? [passage.key] : []), ...(answersSpark ? [SPARK_ANSWERED] : [])],
        topics: [{ id: topic.id, depth, newFrom: newFrom(topic.id) }, ...crossed],
        day: child.today,
        evidence: onTopic ? evidenceOf(begun.content, isOwnWords, topicsTouched(passage, topic).length > 0) : [],
        badges: [
          ...milestonesPassed(streak).map((days) => ({ id: streakBadgeId(days), turns: 0 })),
          ...depthBadges(topic, conversation.depth, depth).map((id) => ({ id, turns: 0 })),
          ...CURIOUS_MIND_TURNS.filter((turns) => turns > context.learnerTurns).map((turns) => ({ id: `curious_mind_${turns}`, turns })),
        ],
      },
      now,
    )
    if (!earned) throw new AppError('CONFLICT', { message: 'Another request has taken over this turn' })
    const common = { isFreeForm: false, selectedChoiceIndex: null }
    return {
      userMessage: {
        id: begun.messageId,
        role: 'user',
        content: begun.content,
        choices: null,
        model: null,
        createdAt,
        isFreeForm: isOwnWords,
        selectedChoiceIndex: begun.choiceIndex,
      },
      reply: { ...common, id: replyId, role: 'assistant', content: reply.text, choices: asStoredChoices(reply.choices), model, createdAt: now },
      depth,
      depthIncreased: depth > conversation.depth,
      rewards: badgeRewards(badges, earned),
    }
  }

  return {
    /**
     * Accepts a child's turn and starts carrying it out; `onChunk` hears the reply as it is spoken. Once this resolves
     * the child's message is stored and the turn runs to its end even if nobody waits. `idempotencyKey` makes it safe to
     * send again, through whichever door.
     * Throws NOT_FOUND, FORBIDDEN (restricted topic), TIME_LIMIT_REACHED, CONFLICT (ended, or a turn is running),
     * INVALID_CHOICE, and UNPROCESSABLE_ENTITY when the key was used for something else.
     */
    async send(
      child: ActiveChild,
      conversationId: string,
      said: Said,
      idempotencyKey: string | undefined,
      onChunk: (chunk: string) => void = () => {},
    ): Promise<Turn> {
      const key = idempotencyKey === undefined ? undefined : turnKey(box, child, conversationId, said, idempotencyKey)
      const accepted = await begin(child, conversationId, said, key)
      if ('completed' in accepted) {
        const { earned, ...completed } = accepted.completed
        return { replayed: true, result: Promise.resolve({ ...completed, rewards: badgeRewards(badges, earned) }) }
      }
      const result = carryOut(accepted, onChunk)
      const settled: Promise<unknown> = result.catch(() => {}).finally(() => running.delete(settled))
      running.add(settled)
      return { replayed: false, result }
    },

    /** Resolves when no turn is being carried out any more. */
    async drain(): Promise<void> {
      while (running.size > 0) await Promise.all(running)
    },
  }
}
export type TurnsService = ReturnType<typeof turnsService>

/** The topics a passage speaks of besides the one of the talk. */
function topicsTouched(passage: Passage | undefined, topic: Topic): Topic[] {
  const touched = passage ? [passage.topic, ...(passage.across ? [passage.across] : [])] : []
  return touched.filter((other) => other !== topic)
}

const grades = new WeakMap<Passage, number>()
/** The grade of what the builtin tutor said: of a passage, worked out once. */
function gradeOf(passage: Passage | undefined, text: string): number {
  if (!passage) return gradeLevel(text)
  const grade = grades.get(passage) ?? gradeLevel(text)
  grades.set(passage, grade)
  return grade
}

interface TutorReply {
  readonly text: string
  readonly choices: readonly TutorChoice[]
  readonly signals: TutorSignals
}

async function listen(events: AsyncIterable<TutorEvent>, onChunk: (chunk: Sentence, index: number) => void): Promise<TutorReply> {
  let text = ''
  let chunks = 0
  let end: Omit<TutorReply, 'text'> | undefined
  for await (const event of events) {
    if ('text' in event) {
      text += event.text
      onChunk(event, chunks)
      chunks += 1
    } else end = event
  }
  if (!end || text === '') throw new Error('the tutor gave no whole reply')
  return { ...end, text }
}

/** The same turn has the same fingerprint through every door. */
function turnKey(box: CryptoBox, child: ActiveChild, conversationId: string, said: Said, key: string): TurnKey {
  return { scope: child.parentId, key, fingerprints: box.fingerprints(JSON.stringify(['turn', child.id, conversationId.toLowerCase(), said])) }
}
