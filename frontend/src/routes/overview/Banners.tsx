import { Link } from "@tanstack/react-router";
import { Banner } from "@/components/notice/Banner";
import { Moment } from "@/components/moment/Moment";
import type { Overview } from "@/lib/api/types";

const TITLES: Readonly<Record<string, string>> = {
  degraded: "Degraded",
  rollback: "Rolled back",
  refused: "Model refused",
};

export function Banners({ banners }: { banners: Overview["banners"] }) {
  return (
    <div role="status">
      {banners.map((banner) => (
        <Banner key={`${banner.kind}${banner.text}`} title={TITLES[banner.kind] ?? banner.kind} text={banner.text}>
          {banner.kind !== "degraded" && (
            <>
              {banner.kind === "rollback" && (
                <span>
                  since <Moment at={banner.at} />
                </span>
              )}
              <Link to="/app/models">Models</Link>
            </>
          )}
        </Banner>
      ))}
    </div>
  );
}
