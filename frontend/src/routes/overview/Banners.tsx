import { Link } from "@tanstack/react-router";
import { Moment } from "@/components/moment/Moment";
import type { Overview } from "@/lib/api/types";
import css from "./overview.module.css";

const TITLES: Readonly<Record<string, string>> = {
  degraded: "Degraded",
  rollback: "Rolled back",
  refused: "Model refused",
};

export function Banners({ banners }: { banners: Overview["banners"] }) {
  return (
    <div role="status">
      {banners.map((banner) => (
        <p key={`${banner.kind}${banner.at}`} className={css.banner}>
          <strong>{TITLES[banner.kind] ?? banner.kind}</strong>
          <span className={css.bannerText}>{banner.text}</span>
          <span>
            since <Moment at={banner.at} />
          </span>
          {banner.kind !== "degraded" && <Link to="/app/models">Models</Link>}
        </p>
      ))}
    </div>
  );
}
