import { sql } from "drizzle-orm";
import { boolean, index, integer, pgTable, serial, text, timestamp, uuid } from "drizzle-orm/pg-core";

export const agents = pgTable("agents", {
    id: serial("id").primaryKey(),
    email: text("email").unique(),
    role: text("role").default("agent"),
    isActive: boolean("is_active").default(true),
    isAiAgent: boolean("is_ai_agent").default(false),
});

export const sessions = pgTable("agent_sessions", {
    id: uuid("id").primaryKey(),
    agentId: integer("agent_id").notNull(),
    status: text("status").default("offline"),
    callId: uuid("current_call_session_id"),
    loginAt: timestamp("login_at", { precision: 3 }).notNull(),
    logoutAt: timestamp("logout_at", { precision: 3 }),
    lastActivity: timestamp("last_activity", { precision: 3 }).notNull(),
    // PASTE COLUMNS
}, (table) => [
    // PASTE INDEXES public.agent_sessions
]);

export const calls = pgTable("call_sessions", {
    id: uuid("id").primaryKey(),
    agentId: integer("agent_id"),
    status: text("status").default("initiated"),
    direction: text("direction"),
    startedAt: timestamp("started_at", { precision: 3 }).notNull(),
    connectedAt: timestamp("connected_at", { precision: 3 }),
    endedAt: timestamp("ended_at", { precision: 3 }),
}, (table) => [
    // PASTE INDEXES public.call_sessions
]);
