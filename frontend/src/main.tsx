import { CSPProvider } from "@base-ui/react/csp-provider";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./styles/tokens.css";
import "./styles/base.css";
import { Notices } from "./components/notice/Notices";
import { createQueryClient } from "./queries/cache";
import { createAppRouter } from "./router";
import { SessionGate } from "./routes/session/SessionGate";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");

createRoot(root).render(
  <StrictMode>
    <CSPProvider disableStyleElements>
      <QueryClientProvider client={createQueryClient()}>
        <Notices>
          <SessionGate>
            <RouterProvider router={createAppRouter()} />
          </SessionGate>
        </Notices>
      </QueryClientProvider>
    </CSPProvider>
  </StrictMode>,
);
