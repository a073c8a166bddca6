import { z } from 'zod'
import { isoSeconds } from '../../platform/clock.ts'
import { PageLimit } from '../../platform/http/cursor.ts'
import { Timestamp } from '../../platform/http/envelope.ts'
import type { Reward } from '../rewards/rewards.ts'
import type { Message } from './conversation.ts'
import type { ListedConversation } from './conversations.service.ts'
import type { ConversationOutcome } from './ending.service.ts'
import type { TurnResult } from './turns.service.ts'

export const CONVERSATION_TYPES = ['exploration', 'brain_spark'] as const
export type ConversationType = (typeof CONVERSATION_TYPES)[number]

export const LONGEST_MESSAGE = 1_000

export const StartBody = z
  .strictObject({
    topic_id: z.uuid().optional().meta({ description: "Required for an exploration; a brain_spark without it takes place in the spark's own topic" }),
    conversation_type: z.enum(CONVERSATION_TYPES).default('exploration'),
  })
  .check(({ value, issues }) => {
    if (value.conversation_type === 'exploration' && value.topic_id === undefined)
      issues.push({ code: 'custom', path: ['topic_id'], message: 'Name the topic to explore', input: value })
  })
  .meta({ example: { topic_id: '770e8400-e29b-41d4-a716-446655440001', conversation_type: 'exploration' } })

export const SendBody = z
  .strictObject({
    choice_index: z.int().optional().meta({ description: 'Index of a choice of the last reply' }),
    content: z.string().trim().min(1).max(LONGEST_MESSAGE).optional().meta({ description: "The child's own words, 1 to 1,000 characters after trimming" }),
    is_free_form: z.boolean().optional().meta({ description: 'Accepted with content; says nothing that content does not' }),
  })
  .check(({ value, issues }) => {
    const fault = (path: string, message: string) => issues.push({ code: 'custom', path: [path], message, input: value })
    if (value.choice_index === undefined && value.content === undefined) fault('content', 'Send either choice_index or content')
    if (value.choice_index !== undefined && value.content !== undefined) fault('content', 'Send either choice_index or content, not both')
    if (value.choice_index !== undefined && value.is_free_form === true) fault('is_free_form', 'A choice is not free-form')
  })
  .meta({ example: { content: 'Why do stars twinkle?', is_free_form: true } })

export const ConversationsQuery = z.strictObject({
  status: z.enum(['open', 'ended']).optional().meta({ description: 'Only those that can be gone on with, or only those that have ended' }),
  limit: PageLimit(20),
  cursor: z.string().max(200).optional(),
})

export const HistoryQuery = z.strictObject({
  limit: PageLimit(50),
  before: z.string().max(200).optional().meta({ description: 'The cursor of the page that came before this one in time of asking: gives older messages' }),
})

const ChoiceView = z.object({ index: z.int(), text: z.string(), icon: z.string() })
export const MessageView = z
  .object({
    id: z.uuid(),
    role: z.enum(['user', 'assistant']),
    content: z.string(),
    choices: z.array(ChoiceView).optional().meta({ description: 'Three ways on; only on messages of the assistant' }),
    selected_choice_index: z.int().optional().meta({ description: 'Only where the child chose' }),
    is_free_form: z.boolean().optional().meta({ description: 'Only on messages of the child' }),
    model: z.string().optional().meta({ description: 'Which model spoke; only on messages of the assistant' }),
    created_at: Timestamp,
  })
  .meta({
    id: 'Message',
    example: {
      id: '990e8400-e29b-41d4-a716-446655440003',
      role: 'assistant',
      content: "Planets are amazing! They're big round worlds that go around the Sun.",
      choices: [
        { index: 0, text: 'How many planets are there?', icon: 'numbers' },
        { index: 1, text: 'Can we live on other planets?', icon: 'house' },
        { index: 2, text: 'Which planet is the biggest?', icon: 'expand' },
      ],
      model: 'builtin',
      created_at: '2024-12-15T10:36:02Z',
    },
  })
export type MessageView = z.infer<typeof MessageView>

export const RewardView = z
  .object({
    type: z.enum(['star', 'badge']),
    amount: z.int().optional().meta({ description: 'Of stars' }),
    id: z.string().optional().meta({ description: 'Of a badge' }),
    name: z.string().optional(),
    animation: z.string().optional(),
  })
  .meta({ id: 'Reward', example: { type: 'badge', id: 'space_explorer_1', name: 'Space Explorer', animation: 'badge_reveal' } })

export const StartedView = z.object({
  conversation_id: z.uuid(),
  topic: z.object({ id: z.uuid(), name: z.string() }),
  opening_message: MessageView,
  depth_level: z.int(),
})

export const ConversationView = z
  .object({
    conversation_id: z.uuid(),
    conversation_type: z.enum(CONVERSATION_TYPES),
    topic: z.object({ id: z.uuid(), name: z.string() }),
    status: z.enum(['open', 'ended']),
    started_at: Timestamp,
    last_activity: Timestamp,
    ended_at: Timestamp.nullable(),
    depth_level: z.int(),
    questions_asked: z.int(),
  })
  .meta({ id: 'ConversationSummary' })

export const TurnView = z
  .object({
    user_message: MessageView,
    assistant_message: MessageView,
    depth_level: z.int().min(0).max(10),
    depth_increased: z.boolean(),
    rewards: z.array(RewardView),
  })
  .meta({ id: 'Turn' })

export const EndedView = z
  .object({
    conversation_id: z.uuid(),
    summary: z.string(),
    duration_minutes: z.int(),
    depth_reached: z.int(),
    questions_asked: z.int().meta({ description: "The child's turns" }),
    rewards_earned: z.array(RewardView),
    progress_update: z.object({ topic: z.string(), previous_depth: z.int(), new_depth: z.int() }),
  })
  .meta({
    example: {
      conversation_id: '880e8400-e29b-41d4-a716-446655440001',
      summary: 'Emma explored what planets are and why stars twinkle!',
      duration_minutes: 12,
      depth_reached: 3,
      questions_asked: 8,
      rewards_earned: [
        { type: 'star', amount: 15 },
        { type: 'badge', id: 'space_explorer_1', name: 'Space Explorer', animation: 'badge_reveal' },
      ],
      progress_update: { topic: 'Space', previous_depth: 2, new_depth: 3 },
    },
  })

export function toMessageView(message: Message): MessageView {
  const { id, role, content, choices, selectedChoiceIndex } = message
  return {
    id,
    role,
    content,
    ...(choices && { choices: [...choices] }),
    ...(selectedChoiceIndex !== null && { selected_choice_index: selectedChoiceIndex }),
    ...(role === 'user' && { is_free_form: message.isFreeForm }),
    ...(message.model !== null && { model: message.model }),
    created_at: isoSeconds(message.createdAt),
  }
}

export const toRewardView = (reward: Reward): z.infer<typeof RewardView> =>
  reward.type === 'star' ? { type: 'star', amount: reward.amount } : { type: 'badge', id: reward.badge.id, name: reward.badge.name, animation: 'badge_reveal' }

export const toTurnView = (turn: TurnResult): z.infer<typeof TurnView> => ({
  user_message: toMessageView(turn.userMessage),
  assistant_message: toMessageView(turn.reply),
  depth_level: turn.depth,
  depth_increased: turn.depthIncreased,
  rewards: turn.rewards.map(toRewardView),
})

export const toEndedView = ({ rewards, ...outcome }: ConversationOutcome) => ({
  conversation_id: outcome.conversationId,
  summary: outcome.summary,
  duration_minutes: outcome.durationMinutes,
  depth_reached: outcome.depthReached,
  questions_asked: outcome.questionsAsked,
  rewards_earned: rewards.map(toRewardView),
  progress_update: { topic: outcome.topicName, previous_depth: outcome.previousDepth, new_depth: outcome.newDepth },
})

export const toConversationView = (listed: ListedConversation): z.infer<typeof ConversationView> => ({
  conversation_id: listed.id,
  conversation_type: listed.type,
  topic: { id: listed.topic.id, name: listed.topic.name },
  status: listed.endedAt === null ? 'open' : 'ended',
  started_at: isoSeconds(listed.startedAt),
  last_activity: isoSeconds(listed.lastTurnAt ?? listed.startedAt),
  ended_at: listed.endedAt && isoSeconds(listed.endedAt),
  depth_level: listed.depth,
  questions_asked: listed.childTurns,
})
