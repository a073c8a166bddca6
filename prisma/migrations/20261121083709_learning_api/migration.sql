-- DropIndex
DROP INDEX "messages_child_id_idx";

-- AlterTable
ALTER TABLE "children" ADD COLUMN     "companion_id" TEXT,
ADD COLUMN     "granted_day" DATE,
ADD COLUMN     "granted_minutes" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "last_grant_id" UUID,
ADD COLUMN     "paused_at" TIMESTAMPTZ(3),
ADD COLUMN     "theme_id" TEXT NOT NULL DEFAULT 'theme_starlight';

-- AlterTable
ALTER TABLE "conversations" ADD COLUMN     "spark_id" UUID;

-- AlterTable
ALTER TABLE "learners" ADD COLUMN     "freezes" INTEGER NOT NULL DEFAULT 2,
ADD COLUMN     "streak_day" DATE;

-- CreateTable
CREATE TABLE "erasure_receipts" (
    "id" UUID NOT NULL,
    "parent_id" UUID NOT NULL,
    "subject_hash" TEXT NOT NULL,
    "erased_at" TIMESTAMPTZ(3) NOT NULL,
    "removed" JSONB NOT NULL,
    "remaining" INTEGER NOT NULL,

    CONSTRAINT "erasure_receipts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "sent_notices" (
    "parent_id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "period" TEXT NOT NULL,
    "sent_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "sent_notices_pkey" PRIMARY KEY ("parent_id","kind","period")
);

-- CreateTable
CREATE TABLE "depth_steps" (
    "child_id" UUID NOT NULL,
    "topic_id" UUID NOT NULL,
    "depth" INTEGER NOT NULL,
    "reached_at" TIMESTAMPTZ(3) NOT NULL,
    "message_id" UUID,

    CONSTRAINT "depth_steps_pkey" PRIMARY KEY ("child_id","topic_id","depth")
);

-- CreateTable
CREATE TABLE "daily_sparks" (
    "id" UUID NOT NULL,
    "child_id" UUID NOT NULL,
    "day" DATE NOT NULL,
    "ends_at" TIMESTAMPTZ(3) NOT NULL,
    "spark_key" TEXT NOT NULL,
    "conversation_id" UUID,
    "completed_at" TIMESTAMPTZ(3),

    CONSTRAINT "daily_sparks_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "freeze_ledger" (
    "child_id" UUID NOT NULL,
    "reason" TEXT NOT NULL,
    "amount" INTEGER NOT NULL,
    "day" DATE NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "operation_id" UUID,

    CONSTRAINT "freeze_ledger_pkey" PRIMARY KEY ("child_id","reason")
);

-- CreateTable
CREATE TABLE "purchases" (
    "child_id" UUID NOT NULL,
    "item_id" TEXT NOT NULL,
    "number" INTEGER NOT NULL DEFAULT 1,
    "cost" INTEGER NOT NULL,
    "purchased_at" TIMESTAMPTZ(3) NOT NULL,
    "operation_id" UUID NOT NULL,

    CONSTRAINT "purchases_pkey" PRIMARY KEY ("child_id","item_id","number")
);

-- CreateTable
CREATE TABLE "growth_evidence" (
    "message_id" UUID NOT NULL,
    "skill" TEXT NOT NULL,
    "child_id" UUID NOT NULL,
    "day" DATE NOT NULL,
    "weight" REAL NOT NULL,

    CONSTRAINT "growth_evidence_pkey" PRIMARY KEY ("message_id","skill")
);

-- CreateTable
CREATE TABLE "safety_flags" (
    "id" UUID NOT NULL,
    "child_id" UUID NOT NULL,
    "conversation_id" UUID NOT NULL,
    "message_id" UUID NOT NULL,
    "category" TEXT NOT NULL,
    "severity" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "safety_flags_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "erasure_receipts_parent_id_erased_at_idx" ON "erasure_receipts"("parent_id", "erased_at");

-- CreateIndex
CREATE UNIQUE INDEX "daily_sparks_child_id_day_key" ON "daily_sparks"("child_id", "day");

-- CreateIndex
CREATE UNIQUE INDEX "purchases_child_id_operation_id_key" ON "purchases"("child_id", "operation_id");

-- CreateIndex
CREATE INDEX "idempotency_keys_operation_id_idx" ON "idempotency_keys"("operation_id");

-- CreateIndex
CREATE INDEX "growth_evidence_child_id_day_idx" ON "growth_evidence"("child_id", "day");

-- CreateIndex
CREATE INDEX "safety_flags_child_id_idx" ON "safety_flags"("child_id");

-- CreateIndex
CREATE INDEX "safety_flags_conversation_id_idx" ON "safety_flags"("conversation_id");

-- CreateIndex
CREATE UNIQUE INDEX "safety_flags_message_id_category_key" ON "safety_flags"("message_id", "category");

-- CreateIndex
CREATE INDEX "conversations_spark_id_idx" ON "conversations"("spark_id");

-- CreateIndex
CREATE INDEX "messages_child_id_created_at_idx" ON "messages"("child_id", "created_at");

-- AddForeignKey
ALTER TABLE "erasure_receipts" ADD CONSTRAINT "erasure_receipts_parent_id_fkey" FOREIGN KEY ("parent_id") REFERENCES "parents"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "sent_notices" ADD CONSTRAINT "sent_notices_parent_id_fkey" FOREIGN KEY ("parent_id") REFERENCES "parents"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "conversations" ADD CONSTRAINT "conversations_spark_id_fkey" FOREIGN KEY ("spark_id") REFERENCES "daily_sparks"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "depth_steps" ADD CONSTRAINT "depth_steps_child_id_fkey" FOREIGN KEY ("child_id") REFERENCES "children"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "daily_sparks" ADD CONSTRAINT "daily_sparks_child_id_fkey" FOREIGN KEY ("child_id") REFERENCES "children"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "freeze_ledger" ADD CONSTRAINT "freeze_ledger_child_id_fkey" FOREIGN KEY ("child_id") REFERENCES "children"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "purchases" ADD CONSTRAINT "purchases_child_id_fkey" FOREIGN KEY ("child_id") REFERENCES "children"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "growth_evidence" ADD CONSTRAINT "growth_evidence_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "growth_evidence" ADD CONSTRAINT "growth_evidence_child_id_fkey" FOREIGN KEY ("child_id") REFERENCES "children"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "safety_flags" ADD CONSTRAINT "safety_flags_child_id_fkey" FOREIGN KEY ("child_id") REFERENCES "children"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "safety_flags" ADD CONSTRAINT "safety_flags_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversations"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "safety_flags" ADD CONSTRAINT "safety_flags_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What the database itself guarantees, whatever the code does.
ALTER TABLE "learners" ADD CONSTRAINT "learners_freezes_check" CHECK ("freezes" BETWEEN 0 AND 3);
ALTER TABLE "children" ADD CONSTRAINT "children_granted_check" CHECK ("granted_minutes" BETWEEN 0 AND 1440);
ALTER TABLE "depth_steps" ADD CONSTRAINT "depth_steps_depth_check" CHECK ("depth" BETWEEN 0 AND 10);
CREATE TRIGGER "freeze_ledger_append_only" BEFORE UPDATE ON "freeze_ledger" FOR EACH ROW EXECUTE FUNCTION "refuse_update"();
CREATE TRIGGER "purchases_append_only" BEFORE UPDATE ON "purchases" FOR EACH ROW EXECUTE FUNCTION "refuse_update"();

-- Children that were there before: what they have reached, and the two freezes everybody begins with.
INSERT INTO "depth_steps" ("child_id", "topic_id", "depth", "reached_at")
SELECT p."child_id", p."topic_id", d, coalesce(p."talked_at", p."last_interaction", c."created_at")
FROM "topic_progress" p JOIN "children" c ON c."id" = p."child_id", generate_series(0, p."depth") AS d
WHERE p."talked_at" IS NOT NULL;
INSERT INTO "freeze_ledger" ("child_id", "reason", "amount", "day", "created_at")
SELECT "id", 'start', 2, "created_at"::date, "created_at" FROM "children";

-- What the jobs look through, every minute and every day.
CREATE INDEX "conversations_ended_idx" ON "conversations" ("ended_at") WHERE "ended_at" IS NOT NULL;
CREATE INDEX "conversations_open_idx" ON "conversations" ((coalesce("last_turn_at", "started_at"))) WHERE "ended_at" IS NULL;
